"""SSDLite-MobileNetV2 trained on COCO: from its TensorFlow.js graph to ONNX.

The original (TensorFlow Object Detection API) takes RGB in −1…1 and ends in box encodings and
class scores for 1917 anchors. The ONNX model takes what GluonCV's SSD models take, ImageNet's
normalisation, and decodes the boxes::

    data [1,3,300,300] → scores [1,1917,80], boxes [1,1917,4] (xmin, ymin, xmax, ymax in pixels)

Non-maximum suppression is added when it is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mli.compile.tvm.packages import TFJS_COCO_SSD
from mli.demo.onnx_graph import OnnxGraph
from mli.demo.tfjs import Graph, read_graph

SIDE = 300
ANCHORS = 1917

_MEAN = np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
_STD = np.array([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
_HEADS = 6
_OUTPUTS_PER_ANCHOR = 91
_UNUSED_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
_CLASS_IDS = [number for number in range(1, 91) if number not in _UNUSED_IDS]
"""COCO numbers its 80 classes from 1 to 90, with gaps; 0 is the background."""


@dataclass(frozen=True)
class _Convolution:
    """A convolution with everything linear that follows it folded in; the weight is OIHW."""

    source: str
    weight: np.ndarray
    bias: np.ndarray
    strides: Sequence[int]
    groups: int

    def scaled(self, factor: np.ndarray) -> _Convolution:
        return replace(
            self, weight=self.weight * factor[:, None, None, None], bias=self.bias * factor
        )

    def shifted(self, offset: np.ndarray) -> _Convolution:
        return replace(self, bias=self.bias + offset)

    def of_classes(self, ids: Sequence[int]) -> _Convolution:
        """Keep these of the 91 classes of each anchor."""
        anchors = len(self.bias) // _OUTPUTS_PER_ANCHOR
        keep = np.add.outer(np.arange(anchors) * _OUTPUTS_PER_ANCHOR, ids).ravel()
        return replace(self, weight=self.weight[keep], bias=self.bias[keep])


def make_onnx(work: Path) -> Path:
    """Convert the packaged model and return the path of the ONNX file."""
    graph = read_graph(TFJS_COCO_SSD.folder(work) / "package/models/coco-ssd")
    path = work / "ssdlite-mobilenet-v2-coco.onnx"
    _Converter(graph).save(path)
    return path


class _Converter:
    """Walks the graph back from the prediction heads and emits each tensor once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._onnx = OnnxGraph("ssdlite_mobilenet_v2_coco")
        self._limits = (self._onnx.constant(0.0), self._onnx.constant(6.0))
        scaled = self._onnx.node("Mul", "data", self._onnx.constant(2 * _STD))
        pixels = self._onnx.node("Add", scaled, self._onnx.constant(2 * _MEAN - 1))
        self._done = {"Preprocessor/sub": (pixels, SIDE)}

    def save(self, path: Path) -> None:
        encodings, logits = [], []
        for head in range(_HEADS):
            encodings.append(self._head(f"BoxPredictor_{head}/Reshape", 4))
            logits.append(self._head(f"BoxPredictor_{head}/Reshape_1", len(_CLASS_IDS)))
        joined = self._onnx.node("Concat", *logits, axis=1)
        self._onnx.node("Sigmoid", joined, output="scores")
        self._decode_boxes(self._onnx.node("Concat", *encodings, axis=1))
        outputs = {"scores": [1, ANCHORS, len(_CLASS_IDS)], "boxes": [1, ANCHORS, 4]}
        self._onnx.save(path, {"data": [1, 3, SIDE, SIDE]}, outputs)

    def _head(self, reshape: str, width: int) -> str:
        """Emit one prediction layer as [1, anchors, width]."""
        convolution = self._folded(self._graph.nodes[reshape].inputs[0])
        assert convolution is not None
        if width != 4:
            convolution = convolution.of_classes(_CLASS_IDS)
        channels_last = self._onnx.node("Transpose", self._emit(convolution)[0], perm=[0, 2, 3, 1])
        shape = self._onnx.constant([1, -1, width], "int64")
        return self._onnx.node("Reshape", channels_last, shape)

    def _folded(self, name: str) -> _Convolution | None:
        """Return the convolution that ends at a node, or None if the node ends none."""
        node = self._graph.nodes[name]
        if node.operation in ("Conv2D", "DepthwiseConv2dNative"):
            return self._plain_convolution(name)
        constant = self._graph.constant_of(node)
        if node.operation == "FusedBatchNorm":
            convolution = self._folded(node.inputs[0])
            assert convolution is not None
            gamma, beta, mean, variance = (self._graph.weights[i] for i in node.inputs[1:])
            factor = gamma / np.sqrt(variance + node.attributes["epsilon"]["f"])
            return convolution.scaled(factor).shifted(beta - mean * factor)
        if node.operation not in ("Mul", "Add", "BiasAdd") or constant is None:
            return None
        convolution = self._folded(self._graph.variables_of(node)[0])
        if convolution is None:
            return None
        scale = node.operation == "Mul"
        return convolution.scaled(constant) if scale else convolution.shifted(constant)

    def _plain_convolution(self, name: str) -> _Convolution:
        node = self._graph.nodes[name]
        assert set(node.integers("dilations")) == {1}, name
        source, weight = node.inputs[0], self._graph.weights[node.inputs[1]].astype(np.float64)
        height, width, depth, multiplier = weight.shape
        groups = 1
        if node.operation == "DepthwiseConv2dNative":
            groups = depth
            weight = weight.reshape(height, width, 1, depth * multiplier)
        oihw = weight.transpose(3, 2, 0, 1)
        bias = np.zeros(len(oihw))
        return _Convolution(source, oihw, bias, node.integers("strides")[1:3], groups)

    def _tensor(self, name: str) -> tuple[str, int]:
        """Return the ONNX name and the side in pixels of a feature map, emitting it if need be."""
        if name not in self._done:
            convolution = self._folded(name)
            if convolution is not None:
                self._done[name] = self._emit(convolution)
            else:
                self._done[name] = self._emit_other(name)
        return self._done[name]

    def _emit(self, convolution: _Convolution) -> tuple[str, int]:
        """Emit a convolution with TensorFlow's SAME padding, which may be uneven."""
        source, side = self._tensor(convolution.source)
        kernel, stride = convolution.weight.shape[2], convolution.strides[0]
        out = -(-side // stride)
        padding = max((out - 1) * stride + kernel - side, 0)
        before, after = padding // 2, padding - padding // 2
        weight = self._onnx.constant(convolution.weight)
        bias = self._onnx.constant(convolution.bias)
        created = self._onnx.node(
            "Conv", source, weight, bias,
            kernel_shape=[kernel, kernel],
            strides=list(convolution.strides),
            group=convolution.groups,
            pads=[before, before, after, after],
        )  # fmt: skip
        return created, out

    def _emit_other(self, name: str) -> tuple[str, int]:
        node = self._graph.nodes[name]
        inputs = [self._tensor(source) for source in self._graph.variables_of(node)]
        result, side = inputs[0]
        if node.operation == "Relu6":
            return self._onnx.node("Clip", result, *self._limits), side
        if node.operation not in ("Add", "AddN"):
            raise ValueError(f"{name}: operation {node.operation} is not handled")
        for other, _ in inputs[1:]:
            result = self._onnx.node("Add", result, other)
        constant = self._graph.constant_of(node)
        if constant is not None:
            offset = self._onnx.constant(constant.reshape(1, -1, 1, 1))
            result = self._onnx.node("Add", result, offset)
        return result, side

    def _decode_boxes(self, encodings: str) -> None:
        """Emit the boxes: encodings are ty, tx, th, tw relative to anchors in fractions."""
        weights = self._graph.weights
        anchors = weights["Postprocessor/ExpandDims"][0].astype(np.float64)
        sizes = anchors[:, 2:] - anchors[:, :2]
        centres = anchors[:, :2] + sizes / 2
        decode = "ConstantFolding/Postprocessor/Decode/"
        by_shift = float(weights[decode + "div_recip"])
        by_size = float(weights[decode + "div_2_recip"])

        def pixels(pairs: np.ndarray) -> str:
            return self._onnx.constant(pairs[None, :, ::-1] * SIDE)

        shift, growth = self._swapped(encodings, [1, 0]), self._swapped(encodings, [3, 2])
        moved = self._onnx.node("Mul", shift, pixels(sizes * by_shift))
        centre = self._onnx.node("Add", moved, pixels(centres))
        factor = self._onnx.node(
            "Exp", self._onnx.node("Mul", growth, self._onnx.constant(by_size))
        )
        half = self._onnx.node("Mul", factor, pixels(sizes / 2))
        low, high = self._onnx.node("Sub", centre, half), self._onnx.node("Add", centre, half)
        self._onnx.node("Concat", low, high, axis=2, output="boxes")

    def _swapped(self, encodings: str, columns: Sequence[int]) -> str:
        return self._onnx.node("Gather", encodings, self._onnx.constant(columns, "int64"), axis=2)
