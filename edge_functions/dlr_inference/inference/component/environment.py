"""The component's own Python environment on a device: where it is, and whether it is complete.

It is in the component's work folder, so that neither the system's packages nor those of another
component change. Each start imports this, before the environment: only what is quick to import.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import sysconfig
from pathlib import Path
from typing import Sequence

COMPLETE = "complete"
"""The file that marks an environment as complete."""
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
    # Python looks for bytecode by path, so there must be one path to it.
    return (work / f"venv-{hashlib.sha256(content).hexdigest()[:16]}").resolve()


def python_of(environment: Path) -> Path:
    """Return the interpreter of an environment."""
    return environment / "bin" / "python"


def is_complete(environment: Path) -> bool:
    """Tell whether an environment was created completely, and still has its interpreter."""
    return (environment / COMPLETE).exists() and os.access(str(python_of(environment)), os.X_OK)


def lacking_packages(runtime: str) -> list[str]:
    """Return the packages that this Python lacks to run a component with the engine ``runtime``."""
    return [name for name in (*_MODULES, runtime) if importlib.util.find_spec(name) is None]


def bytecode_folder(environment: Path) -> Path:
    """Return where an environment's Python keeps compiled code, its packages' too.

    A nucleus unpacks our code into a folder where it cannot be kept. Without one of our own, every
    start would compile it.
    """
    return environment / "bytecode"
