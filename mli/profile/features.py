"""What the end of an ONNX graph says about a vector that is an embedding: features, no scores."""

from __future__ import annotations

from typing import Any

NORMALISED = "it is normalised"
POOLED = "it pools features, and no layer scores classes of them"

_FORMS = (
    "Cast", "DequantizeLinear", "Dropout", "Flatten", "Gather", "Identity", "QuantizeLinear",
    "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
_POOLS = ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMax", "ReduceMean")
_ACTIVATIONS = (
    "Celu", "Clip", "Elu", "Gelu", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Relu", "Selu",
)  # fmt: skip
_NORMS = ("LayerNormalization", "LpNormalization", "SimplifiedLayerNormalization")
_SCORING = ("Conv", "Gemm", "MatMul", "Sigmoid", "Softmax")
"""Operators that may return scores of classes: the mean of several is an ensemble's."""
_OF_A_NORM = ("Add", "Cast", "Clip", "Expand", "Max", "Unsqueeze")
"""Operators between a norm and the division by it."""
_STEPS_OF_A_NORM = 8
_USUAL_LENGTHS = 64
"""Embeddings are as long as a multiple of this; numbers of classes seldom are."""


def why_features(graph: Any, tensor: str) -> str:
    """Return why a vector is an embedding, not scores of classes; empty if it may be scores.

    Convolutions whose mean is taken stay scores of classes, as SqueezeNet's are, also behind an
    activation. What is a sum or a concatenation before its mean is taken, as in ResNet, DenseNet
    and Inception, has no layer that scores classes.
    """
    return _End(graph).why(tensor)


class _End:
    """A graph that is read from an output towards its input."""

    def __init__(self, graph: Any) -> None:
        constants = {one.name for one in graph.initializer}
        self._lengths = {one.name: one.dims[0] for one in graph.initializer if len(one.dims) == 1}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._computed = {one.name for one in graph.input} - constants
        for node in graph.node:  # ONNX keeps them in their order
            if self._computed.intersection(node.input):
                self._computed.update(node.output)

    def why(self, tensor: str) -> str:
        """Return why a vector is an embedding; see :func:`why_features`."""
        node, passed = self._passing(tensor, (*_FORMS, *_POOLS))
        if node is None:
            return ""
        is_pooled = any(name in _POOLS for name in passed)
        if node.op_type in _NORMS or self._is_by_norm(self._before_affine(node)):
            return NORMALISED
        if not is_pooled:
            return NORMALISED if self._is_long_batch_norm(node) else ""
        activated = node.op_type in _ACTIVATIONS or self._is_gated(node)
        if activated:
            node, _ = self._passing(node.input[0], _FORMS)
        node = self._before_affine(node)
        return POOLED if self._is_joined(node, activated=activated) else ""

    def _passing(self, tensor: str, through: tuple[str, ...]) -> tuple[Any, list[str]]:
        """Return what computes a tensor before operators of these types, and those."""
        passed = []
        node = self._makers.get(tensor)
        while node is not None and node.op_type in through:
            passed.append(node.op_type)
            node = self._makers.get(node.input[0])
        return node, passed

    def _inputs(self, node: Any) -> list[str]:
        return [name for name in node.input if name in self._computed]

    def _before_affine(self, node: Any) -> Any:
        """Return what is computed before a factor and a summand for each feature."""
        while node is not None and (
            node.op_type == "BatchNormalization"
            or (node.op_type in ("Add", "Mul") and len(self._inputs(node)) == 1)
        ):
            node, _ = self._passing(self._inputs(node)[0], _FORMS)
        return node

    def _is_by_norm(self, node: Any) -> bool:
        """Tell whether this divides a vector by a root that was computed of the same vector."""
        if node is None or node.op_type != "Div" or node.input[1] not in self._computed:
            return False
        norm, _ = self._passing(node.input[1], _OF_A_NORM)
        if norm is None or norm.op_type not in ("ReduceL2", "Sqrt"):
            return False
        known = set(norm.input)
        for _ in range(_STEPS_OF_A_NORM):  # through squares, their sum or mean, and a small summand
            makers = [self._makers[name] for name in known if name in self._makers]
            known.update(name for one in makers for name in one.input)
        return node.input[0] in known

    def _is_long_batch_norm(self, node: Any) -> bool:
        """Tell whether it ends as face recognition does, in a normalisation of many features."""
        length = self._lengths.get(node.input[1], 0) if len(node.input) > 1 else 0
        return node.op_type == "BatchNormalization" and length > 0 and length % _USUAL_LENGTHS == 0

    def _is_gated(self, node: Any) -> bool:
        """Tell whether this is x · sigmoid(x), whose first input is x."""
        if node.op_type != "Mul" or len(node.input) != 2:
            return False
        gate = self._makers.get(node.input[1])
        return gate is not None and gate.op_type in ("HardSigmoid", "Sigmoid")

    def _is_joined(self, node: Any, *, activated: bool) -> bool:
        """Tell whether several computed tensors come together here, not all of them scores."""
        if node is None or node.op_type not in ("Add", "Concat", "Sum"):
            return False
        joined = self._inputs(node)
        made = [self._before_affine(self._passing(name, _FORMS)[0]) for name in joined]
        scores = all(one is not None and one.op_type in _SCORING for one in made)
        return len(joined) > 1 and (activated or not scores)
