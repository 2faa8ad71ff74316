"""``make setup``: one line of progress instead of pip's output, all of it if pip fails, and a new
environment where an earlier attempt has left half of one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from tests.conftest import REPOSITORY


def _wheel(folder: Path, name: str) -> None:
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as opened:
        opened.writestr(f"{name}.py", "")
        opened.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        opened.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        )
        opened.writestr(f"{info}/RECORD", "")


def _install(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    (folder / "list.txt").write_text("".join(f"{name}==1.0\n" for name in names))
    command = [sys.executable, str(REPOSITORY / ".ci" / "install-packages"), "list.txt"]
    options = ["--isolated", "--no-index", "--find-links", str(folder), "--target", "installed"]
    return subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, check=False
    )


def test_installation_shows_one_line(tmp_path: Path) -> None:
    for name in ("one", "two"):
        _wheel(tmp_path, name)
    done = _install(tmp_path, "one", "two")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    assert line.startswith("  done: 2 of 2 packages, ")
    assert (tmp_path / "installed" / "two.py").exists()


def test_installation_that_fails_shows_what_pip_said(tmp_path: Path) -> None:
    _wheel(tmp_path, "one")
    done = _install(tmp_path, "one", "absent")
    assert done.returncode == 1
    assert "No matching distribution found for absent==1.0" in done.stderr
    assert "pip failed; its whole output is in build/install-packages.log" in done.stderr
    assert "absent" in (tmp_path / "build" / "install-packages.log").read_text()


def test_environment_without_pip_is_created_again(tmp_path: Path) -> None:
    """Debian's Python leaves one behind if its package python3-venv is not installed."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "requirements-dev.txt").touch()
    venv.create(tmp_path / ".venv", with_pip=False)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ntest "$1" = -c || { echo "called with $*"; exit 3; }\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["make", ".venv/.installed", f"PYTHON={python}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "called with -m venv .venv", done.stderr
