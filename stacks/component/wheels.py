"""Python packages for devices without Internet access, downloaded where ``cdk synth`` runs.

Everyone gets the same wheels: versions are pinned in the device's lists of requirements, and each
file's digest in wheels.sha256, which ``python -m stacks.component.wheels`` updates.
"""

import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement

from edge_functions import CODE_FOLDER
from inference import schema
from inference.component.environment import requirement_lists
from inference.model.engines.runnable import RUNTIMES
from stacks.context.keys import ARCHITECTURES
from stacks.context.report import option

_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
PYTHONS = {"x86_64": ("3.8", *_PYTHONS), "aarch64": _PYTHONS}
"""CPython versions of the devices, from Ubuntu 20.04 to 26.04. awscrt, which we need, has no wheel
for 3.8 on aarch64 since its version 0.34."""

FOLDER = "wheels"
"""Name of the wheels' folder beside the lists, where the device expects it."""

DIGESTS = Path(__file__).with_name("wheels.sha256")
CACHE = Path(__file__).resolve().parents[2] / "build" / "wheels"

_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
_FURTHER_PLATFORMS: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("manylinux1_x86_64", "manylinux2010_x86_64"),
    "aarch64": (),
}
"""Wheels of old packages, such as dlr 1.6.0, have an older tag."""


def bundled_wheels(architecture: str, runtime: str, *, cache: Path = CACHE) -> tuple[Path, ...]:
    """Return the wheels for devices of this architecture that run models in this engine.

    They are downloaded unless they are cached.

    Raises:
        ConfigurationError: if pip cannot download them, or their digests are not the pinned ones.
    """
    key = hashlib.sha256(repr(sorted(_pins(architecture, runtime).items())).encode()).hexdigest()[
        :16
    ]
    folder = cache / architecture / runtime / key
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            _download(architecture, runtime, Path(scratch))
            # Wheels of earlier pins are no longer needed.
            shutil.rmtree(folder.parent, ignore_errors=True)
            shutil.copytree(scratch, folder, copy_function=link_or_copy)
    wheels = tuple(sorted(folder.glob("*.whl")))
    _check(wheels)
    return wheels


def link_or_copy(source: str | Path, destination: str | Path) -> None:
    """Create a hard link to a file, or a copy where the file system has no links."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)


def requirements_of(architecture: str, runtime: str, python: str) -> list[str]:
    """Return what the lists ask for on such a device, as ``name==version``.

    pip itself evaluates markers for the machine on which it runs.
    """
    environment = {
        "platform_machine": architecture,
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "extra": "",
    }
    found = []
    lists = requirement_lists(CODE_FOLDER, runtime)
    for line in "".join(path.read_text(encoding="utf-8") for path in lists).splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found.append(f"{requirement.name}{requirement.specifier}")
    return sorted(found)


def _pins(architecture: str, runtime: str) -> Mapping[str, list[str]]:
    pythons = PYTHONS[architecture]
    return {python: requirements_of(architecture, runtime, python) for python in pythons}


def _download(architecture: str, runtime: str, folder: Path) -> None:
    platforms = [f"{name}_{architecture}" for name in _PLATFORMS]
    for python, pins in _pins(architecture, runtime).items():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
        command += ["--implementation", "cp", "--python-version", python]
        for abi in (f"cp{python.replace('.', '')}", "abi3", "none"):
            command += ["--abi", abi]
        for platform in (*platforms, *_FURTHER_PLATFORMS[architecture]):
            command += ["--platform", platform]
        finished = subprocess.run([*command, *pins], capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            errors = [line for line in finished.stderr.splitlines() if line.startswith("ERROR")]
            reason = (errors or finished.stderr.strip().splitlines() or ["no output"])[-1]
            raise _fault(
                f"needs wheels for Python {python} on {architecture}, and pip cannot get them "
                f"({reason[:200]}); set PIP_INDEX_URL to an index that pip can reach, or let the "
                "device install them itself"
            )


def _check(wheels: Iterable[Path]) -> None:
    pinned = _read_digests()
    for wheel in wheels:
        if pinned.get(wheel.name) != hashlib.sha256(wheel.read_bytes()).hexdigest():
            raise _fault(
                f"needs the pinned wheels, and {wheel.name} is not in {DIGESTS.name}; remove "
                f"{wheel.parent} and, after a change of the device's requirements, run "
                "`python -m stacks.component.wheels`"
            )


def _fault(rule: str) -> schema.ConfigurationError:
    correction = option("dependencies", "online")
    return schema.ConfigurationError([schema.Fault("dependencies", "bundled", rule, correction)])


def _read_digests() -> Mapping[str, str]:
    lines = DIGESTS.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def pin() -> None:
    """Download the wheels of every architecture and engine, and write their digests."""
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for architecture, runtime in itertools.product(ARCHITECTURES, RUNTIMES):
            _download(architecture, runtime, Path(scratch))
        for wheel in sorted(Path(scratch).glob("*.whl")):
            found[wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lines = [f"{digest}  {name}\n" for name, digest in found.items()]
    DIGESTS.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    pin()
