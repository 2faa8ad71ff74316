"""Runs a model with DLR once, in a process of its own: a damaged model may end that process.

The child is ``python -m mli.profile.dlr_child FOLDER INPUT_NAME INPUT.npy OUTPUTS.npz``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.model.engines.dlr import import_dlr, open_model

from .children import said_by_child


@dataclass(frozen=True)
class DlrRun:
    """What one run showed: names, types and versions by DLR, and the outputs in its order."""

    inputs: dict[str, str]
    output_names: list[str]
    outputs: list[Any]
    versions: dict[str, str]


def run_in_child(folder: Path, name: str, tensor: Any) -> DlrRun:
    """Run the model in ``folder`` on ``tensor`` as its input ``name``.

    Raises:
        MliError: in one line, if the child does not come through.
    """
    with tempfile.TemporaryDirectory(prefix="dlr-") as work:
        given, made = Path(work) / "input.npy", Path(work) / "outputs.npz"
        np.save(given, tensor)
        said = said_by_child(
            "mli.profile.dlr_child",
            *(str(folder.resolve()), name, str(given), str(made)),
            model=folder,
            late="DLR gave no result",
            failed="DLR cannot run it",
        )
        with np.load(made) as arrays:
            outputs = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
    return DlrRun(said["inputs"], said["outputs"], outputs, said["versions"])


def main(folder: str, name: str, given: str, made: str) -> None:
    """Run the model and describe it; what it returns goes into the file ``made``."""
    dlr = import_dlr()
    model = open_model(dlr, Path(folder), "cpu")
    outputs = [np.array(array) for array in model.run({name: np.load(given)})]
    names = list(model.get_input_names())
    dtypes = _asked(model.get_input_dtypes) or ["unknown"] * len(names)
    described = {
        "inputs": dict(zip(names, map(str, dtypes), strict=False)),
        "outputs": [str(name) for name in _asked(model.get_output_names) or []],
        "versions": {"dlr": str(dlr.__version__), "libdlr": str(model.get_version())},
    }
    np.savez(made, *outputs)
    print(json.dumps(described))


def _asked(question: Callable[[], Any]) -> list[Any] | None:
    """Return DLR's answer, or None where the model lacks the metadata for one."""
    try:
        return list(question())
    except Exception:  # DLR raises bare Exception too
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
