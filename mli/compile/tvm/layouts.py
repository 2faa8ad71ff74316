"""The layouts in which the operators take their weights. Runs in TVM's environment."""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any

import numpy as np

DONE = ("SimplifyExpr",)
"""What the build need not repeat after :func:`laid_out`, because it takes seconds."""

_AXIS = re.compile(r"(\d*)([A-Za-z])")
"""An axis of a layout, such as ``C``, or the ``16c`` that it is split into."""


def laid_out(tvm: ModuleType, module: Any, target: str) -> Any:
    """Return the module with the operators of the target, and with weights as these take them.

    TVM's build does the same, with the same result, but compiles and runs a program for each weight
    that it changes. That takes half a minute for hundreds. What this leaves, the build still does.
    """
    relay: Any = importlib.import_module("tvm.relay")
    passes = relay.transform
    before = [
        *(passes.InferType(), passes.SimplifyInference(), passes.FoldConstant()),
        *(passes.FoldScaleAxis(), passes.SimplifyExpr(), passes.CanonicalizeCast()),
        *(passes.CanonicalizeOps(), passes.AlterOpLayout()),
    ]
    with tvm.transform.PassContext(opt_level=3), tvm.target.Target(target):
        module = tvm.transform.Sequential(before)(module)
    return tvm.IRModule.from_expr(_changer(tvm, relay).visit(module["main"]))


def _changer(tvm: ModuleType, relay: Any) -> Any:
    class Changer(relay.ExprMutator):  # type: ignore[misc] # TVM is not installed beside mypy
        """Replaces constants, of which another shape or layout is wanted, by the result."""

        def visit_call(self, call: Any) -> Any:
            call = super().visit_call(call)
            if not (len(call.args) == 1 and isinstance(call.args[0], relay.Constant)):
                return call
            name, changed = getattr(call.op, "name", ""), None
            values = call.args[0].data.numpy()
            if name == "layout_transform":
                changed = in_layout(values, call.attrs.src_layout, call.attrs.dst_layout)
            elif name == "expand_dims":
                axis = int(call.attrs.axis) % (values.ndim + 1)
                new = (1,) * int(call.attrs.num_newaxis)
                changed = values.reshape(values.shape[:axis] + new + values.shape[axis:])
            return call if changed is None else relay.const(tvm.nd.array(changed))

    return Changer()


def in_layout(values: Any, source: str, wanted: str) -> Any:
    """Return an array, whose axes are the letters of ``source``, in the ``wanted`` layout.

    ``OIHW4i16o`` means that I and O are split into blocks of 4 and 16, which become the last axes.
    None is for layouts that split an axis twice, or into blocks that do not fit.
    """
    axes = _AXIS.findall(wanted)
    whole = [name for extent, name in axes if not extent]
    blocks = {name.upper(): int(extent) for extent, name in axes if extent}
    extents = dict(zip(source, values.shape, strict=False))
    if sorted(whole) != sorted(source) or len(whole) + len(blocks) < len(axes):
        return None
    if len(extents) != values.ndim or any(extents[name] % blocks[name] for name in blocks):
        return None
    names: list[str] = []
    shape: list[int] = []
    for name, extent in extents.items():
        block = blocks.get(name)
        names += [name] if block is None else [name, name.lower()]
        shape += [extent] if block is None else [extent // block, block]
    order = [names.index(name) for _, name in axes]
    return np.ascontiguousarray(values.reshape(shape).transpose(order))
