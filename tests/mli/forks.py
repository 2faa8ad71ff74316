"""Starts ``python -m MODULE`` by a fork of a process that has made the longest imports already.

All else is as in a new process: arguments, folder, environment, streams, exit status or signal.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from types import TracebackType

REPOSITORY = Path(__file__).parents[2]


class Forks:
    """The process that forks."""

    def __init__(self, python: str | Path, imports: str) -> None:
        """Let ``python`` execute ``imports``."""
        self._process = subprocess.Popen(
            [python, __file__, imports],
            cwd=REPOSITORY, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Forks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, command: list[str], cwd: str | Path) -> subprocess.CompletedProcess[bytes]:
        """Run ``PYTHON -m MODULE ARGUMENT…``, whose Python is that of this process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory(prefix="fork-") as folder:
            streams = [Path(folder) / name for name in ("stdout", "stderr")]
            job = [*command[2:3], command[3:], dict(os.environ), str(cwd), *map(str, streams)]
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            said = [stream.read_bytes() for stream in streams]
        return subprocess.CompletedProcess(command, status, *said)


def _serve(imports: str) -> None:
    """Fork for each line of stdin, and answer with an exit status, negative for a signal."""
    sys.path[0] = ""
    exec(imports, {})
    gc.freeze()  # a child that ends need not look through what it will never free
    warnings.filterwarnings("ignore", "This process .* is multi-threaded")  # NumPy's OpenBLAS
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(*json.loads(line))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(
    module: str, arguments: list[str], env: dict[str, str], cwd: str, *streams: str
) -> None:
    for number, stream in enumerate([os.devnull, *streams]):
        os.dup2(os.open(stream, os.O_RDWR | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0] = cwd
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
