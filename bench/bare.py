"""The bare runtime: loads a model and runs it on a ready input. It imports nothing of the project.

Usage: ``python -m bench.bare ENGINE FOLDER INPUT_NAME SHAPE [MODULE …]``; see ``calls``. Each
``MODULE`` is imported too: every program that reads images must import ``cv2``.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Callable
from time import perf_counter
from typing import Any

from bench.calls import serve


def main() -> None:
    """Run the model of the arguments."""
    engine, folder, name, shape, *modules = sys.argv[1:]
    import numpy as np

    for module in modules:
        importlib.import_module(module)
    ready = np.zeros([int(extent) for extent in shape.split(",")], np.float32)
    started = perf_counter()
    run = open_model(engine, folder)
    serve(lambda: run({name: ready}), perf_counter() - started)


def open_model(engine: str, folder: str) -> Callable[[dict[str, Any]], Any]:
    """Load a model as the engine's own documentation does; return what runs it."""
    if engine == "dlr":
        counter = types.ModuleType("dlr.counter")
        counter.call_phone_home = lambda function: function  # type: ignore[attr-defined]
        sys.modules["dlr.counter"] = counter
        import dlr

        return dlr.DLRModel(folder, "cpu").run  # type: ignore[no-any-return]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["TVM_NUM_THREADS"])
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)
    return lambda inputs: session.run(None, inputs)


if __name__ == "__main__":
    main()
