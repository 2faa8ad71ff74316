"""One tree of exceptions, each of them a line."""

from __future__ import annotations

import ast
import errno
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference.errors import (
    DeviceError,
    FrameError,
    InferenceError,
    MissingLibraryError,
    ModelError,
    RefusedError,
)
from inference.model.engines.child_failure import telling_line, why_child_failed
from inference.preflight import explained_errors
from inference.schema import ConfigurationError, Fault


def exceptions() -> dict[str, set[str]]:
    """Return the classes of the package that are exceptions by their names, with their bases."""
    found = {}
    for path in (CODE_FOLDER / "inference").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                if any(base.endswith(("Error", "Exception")) for base in bases):
                    found[node.name] = bases
                    assert ast.get_docstring(node), node.name
    return found


def test_every_exception_descends_from_the_root() -> None:
    found = exceptions()
    assert len(found) >= 9

    def descends(name: str) -> bool:
        return name == "InferenceError" or any(map(descends, found.get(name, ())))

    assert {name for name in found if not descends(name)} == set()


def test_no_class_name_stands_for_two_things() -> None:
    names: dict[str, Path] = {}
    for path in CODE_FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert names.setdefault(node.name, path) == path, node.name


@pytest.mark.parametrize(
    ("error", "kind", "fault"),
    [
        (ModelError("a"), RuntimeError, "no model"),
        (ConfigurationError([Fault("a", 1, "b")]), ValueError, "bad configuration"),
        (MissingLibraryError("a"), ImportError, "missing library"),
        (DeviceError("a"), OSError, None),
        (RefusedError("a"), OSError, None),
        (FrameError("a"), RuntimeError, None),
    ],
)
def test_an_error_is_of_its_builtin_kind_and_names_its_fault(
    error: InferenceError, kind: type[Exception], fault: str | None
) -> None:
    assert isinstance(error, kind)
    assert (error.health_fault, error.exit_status) == (fault, 1)


def test_a_reason_of_several_lines_becomes_one() -> None:
    error = ModelError("model m: the run failed:\n  OpenCV says\n\n  no ")
    assert str(error) == "model m: the run failed: OpenCV says  no"


@pytest.mark.parametrize(
    "character", ["\x1b", "\u202e", "\ud7fc", "\ud800", "\u0378", "\U000e0001"]
)
def test_every_message_escapes_what_is_not_printable(character: str) -> None:
    escape = ascii(character)[1:-1]
    assert str(ModelError(f"model {character}: gone")) == f"model {escape}: gone"
    fault = Fault("key", f"v{character}", f"rule {character}", f"example {character}")
    expected = f"key='v{escape}': rule {escape}, for example example {escape}"
    assert str(fault) == str(ConfigurationError([fault])) == expected


def test_what_a_device_lacks_is_raised_as_an_error_of_the_tree() -> None:
    with pytest.raises(MissingLibraryError, match="pip install boto3"), explained_errors():
        raise ModuleNotFoundError("No module named 'boto3'", name="boto3")
    with pytest.raises(DeviceError, match="No space left"), explained_errors():
        raise OSError(errno.ENOSPC, "No space left on device")
    refused = RefusedError("not yours")
    with pytest.raises(RefusedError) as raised, explained_errors():
        raise refused
    assert raised.value is refused


def test_the_telling_line_is_the_last_with_a_reason() -> None:
    text = "start\nCheck failed: fs: cannot open m.params\n  [bt] libdlr.so\ndlr.DLRError\n"
    assert telling_line(text) == "Check failed: fs: cannot open m.params"
    assert telling_line("Traceback\ndlr.DLRError\nend") == "dlr.DLRError"
    assert telling_line("only this") == "only this"


def test_a_child_s_end_is_explained_by_its_signal_or_its_stderr() -> None:
    assert why_child_failed(-7, "noise") == "it ends the process with SIGBUS (a truncated library)"
    assert why_child_failed(1, "ValueError: no") == "ValueError: no"
    assert why_child_failed(1, " \n") == "no reason given", "the engine may be either"
