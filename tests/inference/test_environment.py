"""The component's own Python environment, online and from wheels in the artifact."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from inference.component import creation, environment
from inference.component.creation import compile_code, create_environment
from inference.component.environment import (
    bytecode_folder,
    is_complete,
    python_of,
    requirement_lists,
)

METADATA = "Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> None:
    """A package ``probe`` 1.0 that any Python takes."""
    folder.mkdir(parents=True)
    info = "probe-1.0.dist-info"
    files = {"probe.py": "VALUE = 7\n", f"{info}/METADATA": METADATA, f"{info}/WHEEL": WHEEL}
    record = ""
    with zipfile.ZipFile(folder / "probe-1.0-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.rstrip(b'=').decode()},{len(text)}\n"
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


def write_requirements(code: Path) -> tuple[Path, Path]:
    code.mkdir()
    (code / "requirements.txt").write_text("probe==1.0\n")
    (code / "requirements-dlr.txt").write_text("# nothing\n")
    (code / "requirements-onnxruntime.txt").write_text("# an engine\n")
    common, engine = requirement_lists(code, "dlr")
    return common, engine


@pytest.fixture
def requirements(tmp_path: Path) -> tuple[Path, Path]:
    return write_requirements(tmp_path / "code")


@dataclass(frozen=True)
class Bundled:
    """An environment from wheels in the artifact, in the place of one whose interpreter has gone.

    It takes seconds to create. ``was_complete`` is what was said of the one before it. ``synced``
    is what was made safe meanwhile, and whether the environment was marked by then.
    """

    requirements: tuple[Path, Path]
    made: Path
    was_complete: bool
    synced: Sequence[tuple[str, bool]]


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Bundled:
    folder = tmp_path_factory.mktemp("bundled")
    requirements = write_requirements(folder / "code")
    write_wheel(folder / "code" / "wheels")
    made = environment.environment_path(folder / "work", requirements)
    python_of(made).parent.mkdir(parents=True)
    python_of(made).symlink_to("/nowhere/python3")
    (made / environment.COMPLETE).touch()
    was_complete = is_complete(made)
    synced: list[tuple[str, bool]] = []

    def note(what: str) -> None:
        synced.append((what, (made / "complete").exists()))

    def note_descriptor(one: int) -> None:
        note(Path(f"/proc/self/fd/{one}").resolve().name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
        (folder / "pip.conf").write_text("[install]\nuser = true\n")
        patch.setenv("PIP_CONFIG_FILE", str(folder / "pip.conf"))
        patch.setattr(os, "sync", lambda: note("all"))
        patch.setattr(os, "fsync", note_descriptor)
        assert create_environment(folder / "work", requirements) == made
    return Bundled(requirements, made, was_complete, synced)


@pytest.mark.slow
def test_bundled_wheels_are_installed_without_an_index_and_no_start_compiles_anything(
    bundled: Bundled,
) -> None:
    code, made = bundled.requirements[0].parent, bundled.made
    (code / "component.py").write_text("import ours\n")
    (code / "ours.py").write_text("")
    assert is_complete(made)
    compile_code(code, made, "dlr")
    folder = bytecode_folder(made)
    before = {one for one in folder.rglob("*.pyc") if one.name.startswith(("ours", "probe"))}
    assert sorted(one.name.partition(".")[0] for one in before) == ["ours", "probe"], "each once"
    command = [
        str(python_of(made)),
        "-c",
        "import ours, probe; print(ours.__cached__, probe.VALUE)",
    ]
    variables = {"PYTHONPATH": str(code), "PYTHONPYCACHEPREFIX": str(folder)}
    done = subprocess.run(command, env=variables, capture_output=True, check=True, text=True)
    cached, value = done.stdout.split()
    assert value == "7"
    assert Path(cached) in before
    assert before == {
        one for one in folder.rglob("*.pyc") if one.name.startswith(("ours", "probe"))
    }


def test_a_link_to_an_environment_is_that_environment(
    requirements: tuple[Path, Path], tmp_path: Path
) -> None:
    """Python looks for bytecode by path: another path to the same files would have none."""
    first, second = tmp_path / "first", tmp_path / "second"
    made = environment.environment_path(first, requirements)
    python_of(made).parent.mkdir(parents=True)
    python_of(made).symlink_to(sys.executable)
    (made / environment.COMPLETE).touch()
    second.mkdir()
    (second / made.name).symlink_to(made)
    assert create_environment(second, requirements) == made
    assert (second / made.name).exists()


def test_wheels_that_do_not_fit_are_named_with_this_python(
    bundled: Bundled,
    requirements: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = creation._run
    new = shutil.ignore_patterns(environment.COMPLETE, "bytecode", "probe*")

    def run_or_copy(command: list[str], advice: str) -> None:
        if "venv" in command:
            shutil.copytree(bundled.made, command[-1], symlinks=True, ignore=new)
        else:
            run(command, advice)

    monkeypatch.setattr(creation, "_run", run_or_copy)
    (requirements[0].parent / "wheels").mkdir()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    with pytest.raises(OSError, match=rf"do the wheels of this artifact fit Python {version} "):
        create_environment(tmp_path / "work", requirements)
    assert not list((tmp_path / "work").glob("venv-*/complete"))


def test_without_wheels_the_index_is_asked(requirements: tuple[Path, Path]) -> None:
    options, advice = creation._source(requirements[0].parent / "wheels")
    assert options == []
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    asked = f"does it have packages for Python {version} and this processor?"
    assert advice == f"is the package index reachable, and {asked}"


def test_a_revision_of_the_same_python_does_not_make_another_environment(
    requirements: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = environment.environment_path(tmp_path, requirements)
    monkeypatch.setattr(sys, "version", "3.11.2 (main, Sep 14 2026, 00:00:00) [GCC 12.2.0]")
    assert environment.environment_path(tmp_path, requirements) == before
    requirements[0].write_text("probe==2.0\n")
    assert environment.environment_path(tmp_path, requirements) != before


def test_each_engine_has_an_environment_of_its_own(
    requirements: tuple[Path, Path], tmp_path: Path
) -> None:
    other = requirement_lists(requirements[0].parent, "onnxruntime")
    assert other[0] == requirements[0]
    paths = {environment.environment_path(tmp_path, lists) for lists in (requirements, other)}
    assert len(paths) == 2


def test_only_the_engine_in_use_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> object:
        return None if name == "dlr" else name

    monkeypatch.setattr("importlib.util.find_spec", find)
    assert environment.lacking_packages("dlr") == ["dlr"]
    assert environment.lacking_packages("onnxruntime") == []


def test_an_environment_whose_interpreter_has_gone_is_created_again(bundled: Bundled) -> None:
    assert not bundled.was_complete
    assert is_complete(bundled.made)


def test_an_environment_is_marked_complete_only_after_all_of_it_survives_a_power_cut(
    bundled: Bundled,
) -> None:
    assert bundled.synced == [("all", False), (bundled.made.name, True)]


def test_bytecode_that_a_power_cut_has_torn_is_made_again(tmp_path: Path) -> None:
    code, made = tmp_path / "code", tmp_path / "venv"
    code.mkdir()
    (code / "component.py").write_text("VALUE = 7\n")
    compile_code(code, made, "dlr")
    place = bytecode_folder(made) / code.relative_to("/")
    (compiled,) = place.glob("component.*.pyc")
    whole = compiled.read_bytes()
    compiled.write_bytes(whole[:-4])
    (place / "complete").unlink()  # it comes last, after everything is safe on disk
    compile_code(code, made, "dlr")
    assert compiled.read_bytes() == whole


def test_code_that_was_unpacked_again_is_compiled_again(tmp_path: Path) -> None:
    code, made = tmp_path / "code", tmp_path / "venv"
    code.mkdir()
    (code / "component.py").write_text("VALUE = 7\n")
    compile_code(code, made, "dlr")
    os.utime(code / "component.py", (1, 1))
    compile_code(code, made, "dlr")
    (compiled,) = bytecode_folder(made).rglob("component.*.pyc")
    assert int.from_bytes(compiled.read_bytes()[8:12], "little") == 1, "the time of the source"


def test_python_s_own_library_is_compiled_again_after_its_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, made = tmp_path / "code", tmp_path / "venv"
    runs: list[str] = []
    code.mkdir()
    monkeypatch.setattr(creation, "_run_writing", lambda *arguments: runs.append(arguments[1]))
    for _ in range(2):
        compile_code(code, made, "dlr")
    assert len(runs) == 1
    (bytecode_folder(made) / "python").write_text("3.11.1 of last month")
    compile_code(code, made, "dlr")
    compile_code(code, made, "onnxruntime")
    assert len(runs) == 3
    assert "onnx_runtime.import_onnxruntime()" in runs[-1]


def test_bytecode_is_left_to_a_start_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "venv").write_text("no folder can be created here")
    compile_code(tmp_path, tmp_path / "venv", "dlr")


def test_the_bytecode_of_an_earlier_version_goes(
    requirements: tuple[Path, Path], tmp_path: Path
) -> None:
    made = tmp_path / "work" / "venv-1"
    for version in ("1.0", "2.0"):
        code = tmp_path / version
        code.mkdir()
        (code / "component.py").write_text("")
        compile_code(code, made, "dlr")
        kept = [one.parent.name for one in bytecode_folder(made).rglob("component.*.pyc")]
        assert kept == [version]
        code.joinpath("component.py").unlink()
        code.rmdir()
