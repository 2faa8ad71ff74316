"""What holds for all classes of ``local_core``: one meaning per name, one tree of exceptions."""

from __future__ import annotations

import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import local_core
from local_core.errors import LocalCoreError
from local_core.processes.interrupts import Interrupted

FOLDER = Path(local_core.__file__).parent
RUNTIME = FOLDER / "v1" / "runtime"
"""Stands for modules of AWS that have their own root on a device's import path."""


def _classes() -> Iterator[type]:
    for file in sorted(FOLDER.rglob("*.py")):
        if RUNTIME in file.parents:
            continue
        path = file.relative_to(FOLDER.parent).with_suffix("")
        module = importlib.import_module(".".join(path.parts).removesuffix(".__init__"))
        for _, found in inspect.getmembers(module, inspect.isclass):
            if found.__module__ == module.__name__:
                yield found


def test_each_name_stands_for_one_class() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for found in _classes():
        places[found.__name__].append(found.__module__)
    assert len(places) > 100
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_every_error_is_a_local_core_error() -> None:
    errors = [found for found in _classes() if issubclass(found, BaseException)]
    assert len(errors) > 20
    assert [e for e in errors if not issubclass(e, LocalCoreError)] == [Interrupted]
