"""TVM's environment: what its processes leave for those that follow."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from mli.cli.output import Output
from mli.compile.tvm import environment
from mli.compile.tvm.packages import TVM

REMOVED = {"asynchat", "asyncore", "distutils", "imp", "smtpd"}
"""Modules that Python 3.12 has no longer: https://docs.python.org/3/whatsnew/3.12.html#removed."""
IMPORTS = """
import importlib.metadata, json, pathlib, sys
from mli.compile.tvm import relay, worker
relay.import_tvm(pathlib.Path(sys.argv[1]))
modules = {name.partition(".")[0] for name in sys.modules}
print(json.dumps({
    "modules": sorted(modules),
    "standard": sorted(sys.stdlib_module_names),
    "packages": importlib.metadata.packages_distributions(),
}))
"""


@pytest.fixture
def tvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A complete environment with a package in place of TVM; its folder."""
    monkeypatch.setattr(environment, "FOLDER", tmp_path)
    (tmp_path / "venv").symlink_to(sys.prefix)
    requirements = environment.REQUIREMENTS.read_bytes()
    (tmp_path / "ready").write_text(hashlib.sha256(requirements + TVM.sha256.encode()).hexdigest())
    package = tmp_path / "packages" / f"{TVM.name}-{TVM.version}" / "tvm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0"\nclass support:\n    libinfo = dict\n')
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


def test_what_tvm_imports_is_installed_with_python_3_12_too() -> None:
    """Python 3.11 has distutils itself, and puts setuptools into each environment."""
    python = environment.prepared(Output(as_json=True))
    command = [str(python), "-c", IMPORTS, str(TVM.folder(environment.FOLDER))]
    done = subprocess.run(
        command, cwd=environment.REPOSITORY, capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert "tvm" in said["modules"]
    foreign = set(said["modules"]) - (set(said["standard"]) - REMOVED)
    packages = {**said["packages"], "distutils": ["setuptools"]}
    needed = {package for name in foreign for package in packages.get(name, ())} - {TVM.name}
    assert "setuptools" in needed
    pinned = re.findall(r"^([\w-]+)==", environment.REQUIREMENTS.read_text(), re.M)
    assert {one.replace("_", "-") for one in needed} <= set(pinned)
    assert not foreign & (REMOVED - {"distutils"})
