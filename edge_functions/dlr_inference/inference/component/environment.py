"""The component's own Python environment on a device; standard library only.

It is in the component's work folder, so that neither the system's packages nor those of another
component change. It is created again only when the list of packages changes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Sequence

from ..syncing import sync_path

_COMPLETE = "complete"
_MODULES = ("av", "awscrt", "awsiot", "boto3", "cv2", "numpy")


def requirement_lists(code: Path, runtime: str) -> tuple[Path, ...]:
    """Return the lists of what a component needs whose model runs in the engine ``runtime``."""
    return code / "requirements.txt", code / f"requirements-{runtime}.txt"


def environment_path(work: Path, requirements: Sequence[Path]) -> Path:
    """Return the folder of the environment for these requirements and this Python.

    A new revision of the same Python, such as a security update, changes neither which packages
    fit nor where the interpreter is, and therefore not the name.
    """
    python = (
        sys.implementation.name,
        f"{sys.version_info[0]}.{sys.version_info[1]}",
        sysconfig.get_platform(),
        sys.base_prefix,
    )
    lists = b"".join(path.read_bytes() for path in requirements)
    content = lists + "\n".join(python).encode()
    return work / f"venv-{hashlib.sha256(content).hexdigest()[:16]}"


def python_of(environment: Path) -> Path:
    """Return the interpreter of an environment."""
    return environment / "bin" / "python"


def is_complete(environment: Path) -> bool:
    """Tell whether an environment was created completely, and still has its interpreter."""
    return (environment / _COMPLETE).exists() and os.access(str(python_of(environment)), os.X_OK)


def lacking_packages(runtime: str) -> list[str]:
    """Return the packages that this Python lacks to run a component with the engine ``runtime``."""
    return [name for name in (*_MODULES, runtime) if importlib.util.find_spec(name) is None]


def create_environment(work: Path, requirements: Sequence[Path]) -> Path:
    """Create the environment unless it exists, and remove those of earlier versions.

    Raises:
        OSError: in one line that says what to install, or which space to free.
    """
    environment = environment_path(work, requirements)
    if not is_complete(environment):
        _create(environment, requirements)
    for other in work.glob("venv-*"):
        if other != environment:
            shutil.rmtree(str(other), ignore_errors=True)
    return environment


def _create(environment: Path, requirements: Sequence[Path]) -> None:
    shutil.rmtree(str(environment), ignore_errors=True)
    environment.parent.mkdir(parents=True, exist_ok=True)
    _run(
        [sys.executable, "-m", "venv", str(environment)],
        "the Python environment cannot be created; on Debian and Ubuntu install python3-venv",
    )
    source, advice = _source(requirements[0].parent / "wheels")
    names = " and ".join(path.name for path in requirements)
    lists = [part for path in requirements for part in ("--requirement", str(path))]
    _run(
        [
            *(str(python_of(environment)), "-m", "pip", "install", "--no-deps", *source),
            *("--disable-pip-version-check", "--no-input", *lists),
        ],
        f"the packages of {names} cannot be installed; {advice}",
    )
    os.sync()  # first: the mark must not survive a power cut that the packages do not
    (environment / _COMPLETE).touch()
    sync_path(environment)


def _source(wheels: Path) -> tuple[list[str], str]:
    """Return pip's options for the origin of packages, and what to check when pip fails.

    If there is a folder of ``wheels``, only it is used: the device may be offline.
    """
    if not wheels.is_dir():
        return [], "is the package index reachable?"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    advice = f"do the wheels of this artifact fit Python {version} and this processor?"
    return ["--no-index", "--find-links", str(wheels)], advice


def _run(command: list[str], advice: str) -> None:
    finished = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if finished.returncode != 0:
        lines = finished.stdout.decode(errors="replace").strip().splitlines() or ["no output"]
        raise OSError(f"{advice} ({lines[-1].strip()[:300]})")
