"""Inference as a first script does it: read, convert, resize, normalise, run, encode; one thread.

So did the function that this project's first version followed. It has no letterbox, threshold,
suppression or checks. Usage: ``python -m bench.seed ENGINE FOLDER INPUT_NAME SHAPE IMAGE``.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from bench.bare import open_model
from bench.calls import serve

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_SHOWN = 100
STD = np.array([58.395, 57.12, 57.375], np.float32)


def main() -> None:
    """Predict the image of the arguments."""
    engine, folder, name, shape, image = sys.argv[1:]
    height, width = (int(extent) for extent in shape.split(",")[2:])
    started = perf_counter()
    run = open_model(engine, folder)

    def predict() -> str:
        pixels: Any = cv2.cvtColor(cv2.imread(image), cv2.COLOR_BGR2RGB)
        pixels = (cv2.resize(pixels, (width, height)).astype(np.float32) - MEAN) / STD
        outputs = run({name: np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])})
        return json.dumps([np.asarray(output).ravel()[:_SHOWN].tolist() for output in outputs])

    serve(predict, perf_counter() - started)


if __name__ == "__main__":
    main()
