"""TVM's environment: what its processes leave for those that follow."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import onnx
import pytest

from mli.cli.output import Output
from mli.compile.tvm import environment
from mli.compile.tvm.packages import TVM


@pytest.fixture
def tvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A complete environment with a package in place of TVM; its folder."""
    monkeypatch.setattr(environment, "FOLDER", tmp_path)
    (tmp_path / "venv").symlink_to(sys.prefix)
    requirements = environment.REQUIREMENTS.read_bytes()
    (tmp_path / "ready").write_text(hashlib.sha256(requirements + TVM.sha256.encode()).hexdigest())
    package = tmp_path / "packages" / f"{TVM.name}-{TVM.version}" / "tvm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0"\n')
    return package


def test_bytecode_of_tvm_is_kept_between_compilations(
    tvm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a user whose own Python writes none."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])), tmp_path / "m.onnx")
    signature: dict[str, dict[str, list[int]]] = {"inputs": {}, "outputs": {}}
    job = {"model": tmp_path / "m.onnx", "signature": signature, "suppression": None, "targets": {}}
    output = Output(as_json=True)
    assert environment.work(job, output)["tvm"] == "0"
    [kept] = tvm.glob("__pycache__/*.pyc")
    before = kept.stat().st_ino  # bytecode that is written again is another file
    assert environment.work(job, output)["tvm"] == "0"
    assert kept.stat().st_ino == before
