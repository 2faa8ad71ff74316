"""Loads a model and runs it once on zeros, in a process that may die without harm.

Usage: ``python -m inference.model.trial FOLDER ACCELERATOR INPUT_NAME SHAPE DTYPE``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from .dlr import import_dlr, open_model


def main(arguments: list[str]) -> None:
    """Try the model that ``arguments`` name; a failure raises, or ends the process."""
    folder, accelerator, name, shape, dtype = arguments
    model = open_model(import_dlr(), Path(folder), accelerator)
    model.run({name: np.zeros([int(extent) for extent in shape.split(",")], dtype)})


if __name__ == "__main__":
    main(sys.argv[1:])
