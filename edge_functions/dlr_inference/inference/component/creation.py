"""Creates the component's own Python environment on a device; standard library only.

It is created again only when the list of packages changes.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Mapping, Sequence

from ..model.engines.runnable import DLR, ONNX_RUNTIME
from ..syncing import sync_path
from .environment import COMPLETE, bytecode_folder, environment_path, is_complete, python_of

_TOOLS = "/(pip|setuptools|pkg_resources)/"
"""Packages of a new environment that no start imports."""
_COMPILE = (
    "import compileall, re, sys, sysconfig; compileall.compile_dir("
    "sysconfig.get_path('platlib'), quiet=2, rx=re.compile(sys.argv[1]))"
)
_IMPORT = (
    "import sys; sys.path.insert(0, sys.argv[1]); import boto3; boto3.session.Session().client("
    "'s3', region_name='us-east-1', aws_access_key_id='-', aws_secret_access_key='-'); "
    "import inference.component.component, inference.component.main; "
    "import inference.sources.cameras.network; from inference.model.engines import {module}; "
    "{module}.import_{engine}()"
)
_ENGINES = {DLR: "dlr", ONNX_RUNTIME: "onnx_runtime"}
"""The module of each engine."""
_PYTHON = "python"
"""The file that says of which revision of Python the standard library was compiled."""


def create_environment(work: Path, requirements: Sequence[Path]) -> Path:
    """Create the environment unless it exists, and remove those of earlier versions.

    Raises:
        OSError: in one line that says what to install, or which space to free.
    """
    environment = environment_path(work, requirements)
    if not is_complete(environment):
        _create(environment, requirements)
    for other in work.glob("venv-*"):
        if other.resolve() != environment:
            shutil.rmtree(str(other), ignore_errors=True)
    return environment


def compile_code(code: Path, environment: Path, runtime: str) -> None:
    """Compile the component's code, so that no start has to; what cannot be is left to a start.

    Of a code folder that was unpacked again, only what changed is compiled again. So is what a
    start with the engine ``runtime`` imports of Python's own library, after an update of Python.
    """
    with contextlib.suppress(OSError):  # a full disk
        _compile_code(code, bytecode_folder(environment))
        _compile_library(code, environment, runtime)


def _compile_code(code: Path, folder: Path) -> None:
    place = folder / code.relative_to("/")
    for compiled in list(folder.rglob("component.*.pyc")):
        if not Path("/", compiled.relative_to(folder)).parent.is_dir():  # an earlier version's
            shutil.rmtree(str(compiled.parent), ignore_errors=True)
    # Python does not look at whether a file is whole, and a power cut may have torn some: what has
    # no mark goes, and there is none while files are written.
    if (place / COMPLETE).exists():
        (place / COMPLETE).unlink()
        sync_path(place)
    else:
        shutil.rmtree(str(place), ignore_errors=True)
        place.mkdir(parents=True)
    kept, sys.pycache_prefix = sys.pycache_prefix, str(folder)
    try:
        compileall.compile_dir(str(code), quiet=2)
    finally:
        sys.pycache_prefix = kept
    os.sync()
    (place / COMPLETE).touch()
    sync_path(place)


def _compile_library(code: Path, environment: Path, runtime: str) -> None:
    """Compile what of Python's own library a start imports, unless that was done for this one."""
    done = bytecode_folder(environment) / _PYTHON
    revision = f"{sys.version}\n{Path(os.__file__).stat().st_mtime_ns}\n{runtime}"
    if done.exists() and done.read_text(encoding="utf-8") == revision:
        return
    program = _IMPORT.format(module=_ENGINES[runtime], engine=runtime)
    _run_writing(environment, program, str(code))
    os.sync()
    done.write_text(revision, encoding="utf-8")


def _run_writing(environment: Path, program: str, argument: str) -> None:
    """Run a program that writes bytecode.

    A package may have files of another Python, or lack a shared library: that is left to a start.
    """
    subprocess.run(
        [str(python_of(environment)), "-c", program, argument],
        env={**_writing(os.environ), "PYTHONPYCACHEPREFIX": str(bytecode_folder(environment))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def _writing(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: one for name, one in variables.items() if name != "PYTHONDONTWRITEBYTECODE"}


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
            *("--disable-pip-version-check", "--no-input", "--no-compile", *lists),
        ],
        f"the packages of {names} cannot be installed; {advice}",
    )
    _run_writing(environment, _COMPILE, _TOOLS)
    os.sync()  # first: the mark must not survive a power cut that the packages do not
    (environment / COMPLETE).touch()
    sync_path(environment)


def _source(wheels: Path) -> tuple[list[str], str]:
    """Return pip's options for the origin of packages, and what to check when pip fails.

    If there is a folder of ``wheels``, only it is used: the device may be offline.
    """
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not wheels.is_dir():
        has_them = f"does it have packages for Python {version} and this processor?"
        return [], f"is the package index reachable, and {has_them}"
    advice = f"do the wheels of this artifact fit Python {version} and this processor?"
    return ["--no-index", "--find-links", str(wheels)], advice


def _run(command: list[str], advice: str) -> None:
    finished = subprocess.run(
        command,
        env={**os.environ, "PIP_USER": "0"},  # which pip refuses here, and pip.conf may set
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if finished.returncode != 0:
        lines = finished.stdout.decode(errors="replace").strip().splitlines() or ["no output"]
        raise OSError(f"{advice} ({lines[-1].strip()[:300]})")
