"""Makes videos with Debian's FFmpeg."""

from __future__ import annotations

import subprocess


def ffmpeg(*arguments: object) -> None:
    """Run ``ffmpeg``, which replaces the file that the last argument names."""
    command = ["ffmpeg", "-y", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
