"""The bare runtime: loads a model and calls ``DLRModel.run`` on a ready input, one line per run.

Usage: ``python bench/bare.py FOLDER INPUT_NAME SHAPE RUNS [MODULE]``. It imports nothing of this
project. ``MODULE`` is imported too, to measure what that alone costs.
"""

from __future__ import annotations

import importlib
import sys
import types


def main() -> None:
    """Run the model as often as the arguments say."""
    counter = types.ModuleType("dlr.counter")
    counter.call_phone_home = lambda function: function  # type: ignore[attr-defined]
    sys.modules["dlr.counter"] = counter
    import dlr
    import numpy as np

    folder, name, shape, runs, *modules = sys.argv[1:]
    for module in modules:
        importlib.import_module(module)
    model = dlr.DLRModel(folder, "cpu")
    ready = np.zeros([int(extent) for extent in shape.split(",")], np.float32)
    for _ in range(int(runs)):
        model.run({name: ready})
        sys.stdout.write("run\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
