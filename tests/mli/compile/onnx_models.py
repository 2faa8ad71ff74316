"""Writes small ONNX models with random weights, and what onnxruntime says of them.

``python onnx_models.py FOLDER``: beside each model ``NAME.onnx`` stands ``NAME.npz`` with an input,
``input``, and the outputs by their names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

SIDE, CLASSES, CELLS = 32, 5, 8
ANCHORS = CELLS * CELLS * 4
SUPPRESSION = ("scores_by_class", "boxes")

Nodes = list[Any]
Constants = dict[str, Any]


def node(operation: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(operation, inputs.split(), [output], **attributes)


def save(
    folder: Path,
    name: str,
    nodes: Nodes,
    outputs: list[str],
    constants: Constants,
    *,
    shape: tuple[Any, ...] = (1, 3, SIDE, SIDE),
    elem_type: int = 1,
    opset: int = 13,
    open_outputs: bool = False,
) -> None:
    model = made(name, nodes, dict.fromkeys(outputs), constants, shape, elem_type, opset)
    generator = np.random.default_rng(3)
    sizes = [extent if isinstance(extent, int) else 1 for extent in shape]
    tensor: Any = generator.standard_normal(sizes, np.float32)
    if elem_type == onnx.TensorProto.UINT8:
        tensor = generator.integers(0, 256, sizes, np.uint8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    results = session.run(None, {"image": tensor})
    extents = {o: r.shape for o, r in zip(outputs, results, strict=True)}
    if open_outputs:
        extents = {o: [None] * len(shape) for o, shape in extents.items()}
    model = made(name, nodes, extents, constants, shape, elem_type, opset)
    onnx.save(model, folder / f"{name}.onnx")
    np.savez(folder / f"{name}.npz", input=tensor, **dict(zip(outputs, results, strict=True)))


def made(
    name: str,
    nodes: Nodes,
    outputs: dict[str, Any],
    constants: Constants,
    shape: tuple[Any, ...],
    elem_type: int,
    opset: int,
) -> Any:
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("image", elem_type, shape)],
        [helper.make_tensor_value_info(o, onnx.TensorProto.FLOAT, s) for o, s in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 9 if opset > 18 else 8
    return model


def classifier() -> tuple[Nodes, Constants]:
    """Convolution, pooling, and a dense layer that returns logits."""
    generator = np.random.default_rng(1)
    nodes = [
        node("Conv", "image w", "c", strides=[2, 2], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("Relu", "c", "r"),
        node("GlobalAveragePool", "r", "p"),
        node("Flatten", "p", "f"),
        node("Gemm", "f v b", "logits"),
    ]
    constants = {
        "w": generator.standard_normal((8, 3, 3, 3), np.float32),
        "v": generator.standard_normal((8, CLASSES), np.float32),
        "b": generator.standard_normal(CLASSES, np.float32),
    }
    return nodes, constants


def detector() -> tuple[Nodes, Constants]:
    """A head of four anchors a cell: logits with the background first, boxes as fractions."""
    generator = np.random.default_rng(2)
    y, x = np.mgrid[0:CELLS, 0:CELLS]
    cells = (np.stack([x, y], -1).reshape(-1, 1, 2).repeat(4, 1).reshape(-1, 2) + 0.5) / CELLS
    sizes = np.tile([0.12, 0.2, 0.3, 0.45], CELLS * CELLS)[:, None].repeat(2, 1)
    nodes = [
        node("Conv", "image w", "c", strides=[4, 4], pads=[1, 1, 1, 1], kernel_shape=[5, 5]),
        node("Relu", "c", "r"),
        node("Conv", "r cw", "cc", kernel_shape=[1, 1]),
        node("Transpose", "cc", "ct", perm=[0, 2, 3, 1]),
        node("Reshape", "ct by_class", "logits"),
        node("Softmax", "logits", "scores", axis=2),
        node("Conv", "r bw", "bb", kernel_shape=[1, 1]),
        node("Transpose", "bb", "bt", perm=[0, 2, 3, 1]),
        node("Reshape", "bt by_box", "br"),
        node("Tanh", "br", "shift"),
        node("Mul", "shift small", "moved"),
        node("Add", "moved priors", "centred"),
        node("MatMul", "centred corners", "boxes"),
        node("MatMul", "centred turned", "boxes_yxyx"),
    ]
    turned = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, -0.5, 0, 0.5], [-0.5, 0, 0.5, 0]])
    constants = {
        "w": generator.standard_normal((16, 3, 5, 5), np.float32) * np.float32(0.1),
        "cw": generator.standard_normal((4 * (CLASSES + 1), 16, 1, 1), np.float32),
        "bw": generator.standard_normal((16, 16, 1, 1), np.float32),
        "by_class": np.array([1, -1, CLASSES + 1], np.int64),
        "by_box": np.array([1, -1, 4], np.int64),
        "small": np.array(0.03, np.float32),
        "priors": np.concatenate([cells, sizes], 1)[None].astype(np.float32),
        "corners": turned[:, [1, 0, 3, 2]].astype(np.float32),
        "turned": turned.astype(np.float32),
    }
    return nodes, constants


def suppressed(folder: Path) -> None:
    """A detector with its own suppression behind it, as TensorFlow's exports have it."""
    nodes, constants = detector()
    limits = {
        "columns": np.arange(1, CLASSES + 1, dtype=np.int64),
        "most": np.array(20, np.int64),
        "iou": np.array(0.5, np.float32),
        "least": np.array(0.3, np.float32),
    }
    nodes += [
        node("Gather", "scores columns", "foreground", axis=2),
        node("Transpose", "foreground", "scores_by_class", perm=[0, 2, 1]),
        node("NonMaxSuppression", "boxes_yxyx scores_by_class most iou least", "rows"),
        node("Cast", "rows", "picked", to=1),
    ]
    save(folder, "suppressed", nodes, ["picked"], constants | limits)


def of_one_class(folder: Path) -> None:
    """Two detectors whose suppression has one score for each anchor.

    The one has no more classes, and returns all boxes too. The other chooses the classes before,
    and moves the boxes of each class to a place of their own.
    """
    nodes, constants = detector()
    constants |= {
        "second": np.array([1], np.int64),
        "most": np.array(20, np.int64),
        "iou": np.array(0.5, np.float32),
        "least": np.array(0.1, np.float32),
        "third": np.array(2, np.int64),
        "away": np.array(8, np.float32),
    }
    anchors = [node("Gather", "rows third", "anchors", axis=1)]
    kept = [
        node("Gather", "boxes_yxyx anchors", "kept_boxes", axis=1),
        node("Gather", "column anchors", "kept_scores", axis=1),
    ]
    only = [
        node("Gather", "scores second", "column", axis=2),
        node("Transpose", "column", "of_one", perm=[0, 2, 1]),
        node("NonMaxSuppression", "boxes_yxyx of_one most iou least", "rows"),
    ]
    save(folder, "one_class", nodes + only + anchors + kept,
         ["kept_boxes", "kept_scores", "centred"], constants, open_outputs=True)  # fmt: skip
    chosen = [
        node("ReduceMax", "scores", "column", axes=[2], keepdims=1),
        node("Transpose", "column", "of_one", perm=[0, 2, 1]),
        node("ArgMax", "scores", "classes", axis=2, keepdims=1),
        node("Cast", "classes", "numbers", to=1),
        node("Mul", "numbers away", "distances"),
        node("Add", "boxes_yxyx distances", "apart"),
        node("NonMaxSuppression", "apart of_one most iou least", "rows"),
    ]
    numbers = [node("Gather", "numbers anchors", "kept_classes", axis=1)]
    save(folder, "chosen_before", nodes + chosen + anchors + kept + numbers,
         ["kept_boxes", "kept_scores", "kept_classes"], constants, open_outputs=True)  # fmt: skip


def of_opset_20() -> tuple[Nodes, Constants]:
    """What newer exporters write: normalised groups, channels last, axes as inputs."""
    generator = np.random.default_rng(4)
    split = helper.make_node("Split", ["last"], ["p0", "p1", "p2"], axis=3, num_outputs=3)
    nodes = [
        node("Conv", "image w", "c", strides=[4, 4], kernel_shape=[3, 3]),
        node("GroupNormalization", "c scale bias", "normal", num_groups=4),
        node("GridSample", "normal grid", "sampled", mode="linear"),
        node("Transpose", "sampled", "channels_last", perm=[0, 2, 3, 1]),
        node("MatMul", "channels_last mixing", "last"),
        split,
        node("Concat", "p2 p0 p1", "turned", axis=3),
        node("ReduceMean", "turned height_width", "mean", keepdims=0),
        node("ReduceMax", "turned height_width", "most", keepdims=0),
        node("Add", "mean most", "both"),
        node("Gemm", "both v", "logits"),
    ]
    rows, columns = np.mgrid[-0.9:0.9:6j, -0.8:0.8:7j]
    constants = {
        "w": generator.standard_normal((8, 3, 3, 3), np.float32),
        "scale": generator.standard_normal(4, np.float32),
        "bias": generator.standard_normal(4, np.float32),
        "grid": np.stack([columns, rows], -1)[None].astype(np.float32),
        "mixing": generator.standard_normal((8, 11), np.float32),
        "height_width": np.array([1, 2], np.int64),
        "v": generator.standard_normal((11, CLASSES), np.float32),
    }
    return nodes, constants


def as_tools_leave_them(folder: Path) -> None:
    """Nodes in reverse; a stale type of an inner tensor of float16; a ScatterND of newer opsets."""
    nodes, constants = classifier()
    save(folder, "reversed", nodes, ["logits"], constants)
    model = onnx.load(folder / "reversed.onnx")
    backwards = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(backwards)
    onnx.save(model, folder / "reversed.onnx")
    half = [
        node("Cast", "image", "h", to=10),
        node("Relu", "h", "hr"),
        node("Cast", "hr", "x", to=1),
    ]
    renamed = [node("Conv", "x w", "c", strides=[2, 2], kernel_shape=[3, 3]), *nodes[1:]]
    save(folder, "stale_types", [*half, *renamed], ["logits"], constants)
    model = onnx.load(folder / "stale_types.onnx")
    stale = helper.make_tensor_value_info("hr", onnx.TensorProto.FLOAT, (1, 3, SIDE, SIDE))
    model.graph.value_info.append(stale)
    onnx.save(model, folder / "stale_types.onnx")
    scatter = [*nodes[:-1], node("Gemm", "f v b", "l")]
    scatter.append(node("ScatterND", "l place value", "logits", reduction="none"))
    more = {"place": np.array([[0, 2]], np.int64), "value": np.array([7], np.float32)}
    save(folder, "scatter", scatter, ["logits"], constants | more, opset=16)


def main(folder: Path) -> None:
    as_tools_leave_them(folder)
    nodes, constants = classifier()
    save(folder, "classifier", nodes, ["logits"], constants, shape=("N", 3, SIDE, SIDE))
    softmax = [*nodes, node("Softmax", "logits", "probabilities", axis=1)]
    save(folder, "probabilities", softmax, ["probabilities"], constants)
    one = {**constants, "v": constants["v"][:, :1], "b": constants["b"][:1]}
    sigmoid = [*nodes, node("Sigmoid", "logits", "probability")]
    save(folder, "binary", sigmoid, ["probability"], one)
    save(folder, "open_size", nodes, ["logits"], constants, shape=(1, 3, "H", "W"))
    save(folder, "feature_map", nodes[:2], ["r"], constants)
    pixels = [
        node("Cast", "image", "real", to=1),
        node("Mul", "real smaller", "scaled"),
        node("Transpose", "scaled", "planes", perm=[0, 3, 1, 2]),
    ]
    renamed = [node("Conv", "planes w", "c", strides=[2, 2], kernel_shape=[3, 3]), *nodes[1:]]
    save(
        folder, "pixels_last", [*pixels, *renamed], ["logits"],
        constants | {"smaller": np.array(1 / 255, np.float32)},
        shape=(1, SIDE, SIDE, 3), elem_type=onnx.TensorProto.UINT8,
    )  # fmt: skip
    square = [
        *nodes,
        node("Det", "matrix", "det"),
        node("Add", "logits det", "sum"),
    ]
    matrix = {"matrix": np.eye(3, dtype=np.float32)[None]}
    save(folder, "unsupported", square, ["sum"], constants | matrix)
    nodes, constants = of_opset_20()
    save(folder, "opset_20", nodes, ["logits"], constants, opset=20)
    nodes, constants = detector()
    save(folder, "detector", nodes, ["scores", "boxes"], constants)
    save(folder, "raw_detector", nodes, ["boxes_yxyx", "logits"], constants)
    save(folder, "centred", nodes, ["scores", "centred"], constants)
    axis = {"first": np.array([0], np.int64)}
    alone = [
        *nodes,
        node("Squeeze", "scores first", "scores_of_one"),
        node("Squeeze", "boxes first", "boxes_of_one"),
        node("ReduceMax", "boxes_of_one", "best", keepdims=0, axes=[1]),
    ]
    save(folder, "of_one_image", alone, ["best"], constants | axis)
    suppressed(folder)
    of_one_class(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
