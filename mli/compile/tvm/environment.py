"""TVM's own environment under ``build/tvm``: created on first use, and the jobs run in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...cli.output import Output
from ...errors import MliError, one_line
from .packages import TVM

REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = REPOSITORY / "build" / "tvm"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

_PYTHONS = ((3, 11), (3, 12))
"""Versions for which there are wheels of everything that TVM needs."""

_FETCH = (
    "import pathlib, sys; from mli.compile.tvm.packages import TVM; "
    "TVM.folder(pathlib.Path(sys.argv[1]))"
)


def work(job: Mapping[str, Any], output: Output) -> dict[str, Any]:
    """Run a job in the environment, and return its result; see ``worker`` for both.

    Raises:
        MliError: if the model cannot be compiled, or the environment cannot be created.
    """
    python = prepared(output)
    with tempfile.TemporaryDirectory(prefix="tvm-") as folder:
        files = [Path(folder) / name for name in ("job.json", "result.json")]
        files[0].write_text(json.dumps({**job, "tvm": TVM.folder(FOLDER)}, default=str))
        errors = Path(folder) / "stderr"
        command = [str(python), "-m", "mli.compile.tvm.worker", *map(str, files)]
        with errors.open("w") as stderr:
            process = _started(command, stderr)
            try:
                for line in process.stdout or ():
                    output.status(line.strip())
            finally:
                if process.poll() is None and sys.exc_info()[0] is not None:
                    process.kill()
                process.wait()
        if not files[1].is_file():
            reason = _last_line(errors.read_text(errors="replace"))
            raise MliError(f"TVM's process ended with status {process.returncode}: {reason}")
        result = json.loads(files[1].read_text())
    if "error" in result:
        raise MliError(result["error"])
    done: dict[str, Any] = result["ok"]
    return done


def _started(command: list[str], stderr: Any) -> subprocess.Popen[str]:
    # The first worker writes TVM's bytecode: without it, every worker would spend 0.8 s compiling.
    foreign = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def prepared(output: Output) -> Path:
    """Return the environment's Python, and create the environment first if it is not complete.

    Raises:
        MliError: if it cannot be created.
    """
    python, mark = FOLDER / "venv" / "bin" / "python", FOLDER / "ready"
    state = hashlib.sha256(REQUIREMENTS.read_bytes() + TVM.sha256.encode()).hexdigest()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _lock(FOLDER / "lock", output):
        if not (python.exists() and mark.is_file() and mark.read_text() == state):
            mark.unlink(missing_ok=True)
            _make(python, output)
            mark.write_text(state)
    return python


def _make(python: Path, output: Output) -> None:
    output.say(f"setting up TVM in {_shown(FOLDER)} (once, about 450 MB) …")
    venv = python.parents[1]
    shutil.rmtree(venv, ignore_errors=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    steps = {
        "creating an environment": [_base_python(), "-m", "venv", str(venv)],
        "installing NumPy and ONNX": [*pip, "install", "-r", str(REQUIREMENTS)],
        "fetching TVM": [str(python), "-c", _FETCH, str(FOLDER)],
    }
    for step, command in steps.items():
        output.status(f"{step} …")
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = _last_line(done.stderr)
            raise MliError(f"TVM's environment cannot be created: {step}: {reason}")
    output.say("TVM is ready")


def _base_python() -> str:
    if sys.version_info[:2] in _PYTHONS:
        return sys.executable
    for major, minor in _PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            return found
    raise MliError("TVM needs Python 3.11 or 3.12 for its environment; neither is on the PATH")


@contextmanager
def _lock(path: Path, output: Output) -> Iterator[None]:
    """Hold a lock among processes; it ends with its holder at the latest."""
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            output.status("waiting for another process that sets up TVM …")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return one_line((errors or lines or ["no reason given"])[-1])[:300]


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
