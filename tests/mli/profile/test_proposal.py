"""How pixels become numbers, when the user says a part of it."""

from __future__ import annotations

from typing import Any

import pytest

from mli.profile.proposal import IMAGENET_MEAN, SCALE, Preprocessing, profile_values

INPUT = {"name": "data", "shape": [1, 3, 32, 32], "layout": "NCHW", "dtype": "float32"}


def proposed(**options: Any) -> dict[str, Any]:
    form = {"kind": "classification", "activation": "probabilities"}
    values = profile_values({"input": INPUT}, Preprocessing(**options), "m", output=form)
    spec: dict[str, Any] = values["input"]
    return spec


@pytest.mark.parametrize(
    ("options", "scale"),
    [
        ({}, SCALE),
        ({"mean": (0.0,), "std": (1.0,)}, SCALE),
        ({"mean": (0.5,)}, SCALE),
        ({"mean": (127.5,), "std": (127.5,)}, 1.0),
        ({"std": (255.0,)}, 1.0),
        ({"mean": (0.0,), "std": (1.0,), "scale": 1.0}, 1.0),
    ],
)
def test_the_scale_fits_mean_and_std(options: dict[str, Any], scale: float) -> None:
    assert proposed(**options)["scale"] == scale


def test_a_scale_alone_leaves_out_imagenet_s_mean() -> None:
    assert proposed(scale=1.0)["mean"] == [0.0]
    assert proposed()["mean"] == list(IMAGENET_MEAN)
