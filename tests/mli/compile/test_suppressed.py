"""A graph is cut before its suppression only if that has all classes of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from mli.compile.graphs.heads import UnknownHeadError, choose_outputs
from mli.compile.graphs.reading import load_model, with_fixed_input


def test_suppression_of_all_classes_is_cut_off(onnx_models: Path) -> None:
    source = with_fixed_input(load_model(onnx_models / "suppressed.onnx"))
    chosen = choose_outputs(source, None, None)
    assert (chosen.scores, chosen.boxes, chosen.cut) == ("scores_by_class", "boxes_yxyx", True)


def test_suppression_of_a_model_s_only_class_is_cut_off(onnx_models: Path) -> None:
    source = with_fixed_input(load_model(onnx_models / "one_class.onnx"))
    chosen = choose_outputs(source, None, None)
    assert (chosen.scores, chosen.boxes, chosen.cut) == ("of_one", "boxes_yxyx", True)


@pytest.mark.parametrize(
    ("producer", "order"), [("tf2onnx", "yxyx"), ("pytorch", "xyxy"), ("PaddlePaddle", "xyxy")]
)
def test_boxes_of_a_suppression_have_the_order_of_their_exporter(
    onnx_models: Path, producer: str, order: str
) -> None:
    model = load_model(onnx_models / "one_class.onnx")
    model.producer_name = producer
    assert choose_outputs(with_fixed_input(model), None, None).box_order == order


def test_suppression_behind_the_choice_of_a_class_is_not_cut_off(onnx_models: Path) -> None:
    source = with_fixed_input(load_model(onnx_models / "chosen_before.onnx"))
    with pytest.raises(UnknownHeadError, match="kept_classes float32"):
        choose_outputs(source, None, None)
