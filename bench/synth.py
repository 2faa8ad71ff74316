"""Synthesis of a core beside that of an empty app, and the size of what a device downloads."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from local_core.processes.cdk import CLI

ROOT = Path(__file__).parent.parent
_CORE = {
    "coreName": "Bench",
    "certificateId": "0123456789abcdef" * 4,
    "modelS3Uri": "s3://models/model.tar.gz",
}
_EMPTY = "import aws_cdk as cdk; app = cdk.App(); cdk.Stack(app, 'Empty'); app.synth()"
_PHOTOGRAPHS = "sample_images"


def synth_seconds() -> tuple[float, float]:
    """Return the seconds of ``cdk synth`` for a core, and for an app with an empty stack."""
    context = [part for key, value in _CORE.items() for part in ("-c", f"{key}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.py").write_text(_EMPTY)
        ours = _seconds(ROOT, "--output", f"{folder}/ours", *context)
        return ours, _seconds(Path(folder), "--app", f"{sys.executable} app.py")


def _seconds(folder: Path, *arguments: str) -> float:
    started = time.perf_counter()
    _run([str(CLI), "synth", "--quiet", *arguments], folder)
    return time.perf_counter() - started


def _run(command: list[str], folder: Path, **variables: str) -> None:
    subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def code_bytes() -> int:
    """Return the size of the code that a device downloads: zipped, without the photographs."""
    with tempfile.TemporaryDirectory() as folder:
        context = json.dumps(_CORE)
        _run([sys.executable, "app.py"], ROOT, CDK_OUTDIR=folder, CDK_CONTEXT_JSON=context)
        (code,) = [one.parent for one in Path(folder).glob("asset.*/component.py")]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(code.rglob("*")):
                if path.is_file() and _PHOTOGRAPHS not in path.parts:
                    packed.write(path, str(path.relative_to(code)))
        return len(archive.getvalue())
