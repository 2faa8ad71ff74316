"""Packages of registries that compilations need: fetched once, whole, and checked."""

from __future__ import annotations

import hashlib
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mli.compile.tvm.packages import Package
from mli.errors import MliError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package that two callers fetch at the same time."""
    wheel = tmp_path / "small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("small/__init__.py", "VERSION = 1\n")
    content = wheel.read_bytes()
    both_fetch = threading.Barrier(2)

    def fetch(_: Package, target: Path) -> Path:
        target.mkdir()
        both_fetch.wait(timeout=10)
        fetched = target / wheel.name
        fetched.write_bytes(content)
        return fetched

    monkeypatch.setattr(Package, "_fetch", fetch)
    return Package("pypi", "small", "1.0", hashlib.sha256(content).hexdigest())


def test_two_processes_may_fetch_a_package_at_once(package: Package, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(package.folder, [tmp_path / "work"] * 2)
    assert first == second
    assert (first / "small" / "__init__.py").read_text() == "VERSION = 1\n"
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_another_archive_is_refused_and_leaves_nothing(package: Package, tmp_path: Path) -> None:
    wrong = replace(package, sha256="0" * 64)
    with ThreadPoolExecutor(2) as pool:
        tried = [pool.submit(wrong.folder, tmp_path / "work") for _ in range(2)]
    for one in tried:
        with pytest.raises(MliError, match=r"small 1\.0: sha256 is .*, expected 0000"):
            one.result()
    assert list((tmp_path / "work" / "packages").iterdir()) == []


def test_archive_is_unpacked_by_a_python_without_filters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, archive = tmp_path / "index.js", tmp_path / "small-1.0.0.tgz"
    content.write_text("exports.a = 1\n")
    with tarfile.open(archive, "w:gz") as tarball:
        tarball.add(content, "package/index.js")
    inner = tarfile.TarFile.extractall

    def of_python_3_11_2(
        self: tarfile.TarFile, path: Any, members: Any = None, *, numeric_owner: bool = False
    ) -> None:
        inner(self, path, members, numeric_owner=numeric_owner)

    monkeypatch.setattr(Package, "_fetch", lambda self, target: archive)
    monkeypatch.setattr(tarfile.TarFile, "extractall", of_python_3_11_2)
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    folder = Package("npm", "small", "1.0.0", digest).folder(tmp_path / "work")
    assert (folder / "package" / "index.js").read_text() == "exports.a = 1\n"
