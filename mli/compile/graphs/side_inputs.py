"""Inputs beside the image that say how large it is: they become constants of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from ...profile.side_inputs import INPUTS_OF_SIZE


def beside_an_image(inputs: list[Any]) -> list[Any]:
    """Return those of several inputs that this module replaces."""
    return [one for one in inputs if one.name in INPUTS_OF_SIZE] if len(inputs) > 1 else []


def with_constants(model: Any, inputs: list[Any], size: tuple[int, int]) -> None:
    """Replace ``inputs`` by the values for an image of ``size``, so that boxes are in its pixels.

    ``size`` is the width and height of the image input.
    """
    width, height = size
    values = {
        "orig_target_sizes": [width, height],
        "im_shape": [height, width],
        "scale_factor": [1, 1],
    }
    for one in inputs:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(one.type.tensor_type.elem_type)
        array = np.array([values[one.name]], dtype)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, one.name))
        model.graph.input.remove(one)
