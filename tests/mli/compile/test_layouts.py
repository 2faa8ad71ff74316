"""Weights in the layouts of operators, without a program of TVM's for each of them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mli.cli.output import Output
from mli.compile.tvm import environment
from mli.compile.tvm.layouts import in_layout
from mli.compile.tvm.packages import TVM
from tests.conftest import REPOSITORY

WEIGHTS = np.arange(32 * 12 * 3 * 2).reshape(32, 12, 3, 2)

_BUILDS = """
import json, sys
from pathlib import Path
import onnx
from mli.compile.tvm.layouts import DONE, laid_out
from mli.compile.tvm.relay import import_tvm
from mli.compile.tvm.targets import X86_64
tvm = import_tvm(Path(sys.argv[1]))
from tvm import relay
shape = {"image": (1, 3, 32, 32)}
module, _ = relay.frontend.from_onnx(onnx.load(sys.argv[2]), shape, freeze_params=True)
changed = laid_out(tvm, module, X86_64.llvm)
left = []
def note(node):
    if isinstance(node, relay.Call) and all(isinstance(a, relay.Constant) for a in node.args):
        left.append(node.op.name)
relay.analysis.post_order_visit(changed["main"], note)
def built(module, done):
    with tvm.transform.PassContext(opt_level=3, disabled_pass=done):
        made = relay.build(relay.transform.InferType()(module), target=X86_64.llvm)
    return made.get_graph_json(), {k: v.numpy().tolist() for k, v in made.get_params().items()}
print(json.dumps({"left": left, "by TVM": built(module, ()), "ours": built(changed, DONE)}))
"""


def test_axes_are_split_into_blocks() -> None:
    changed = in_layout(WEIGHTS, "OIHW", "OIHW4i16o")
    assert changed.shape == (2, 3, 3, 2, 4, 16)
    for place in np.ndindex(WEIGHTS.shape):
        o, i, y, x = place
        assert changed[o // 16, i // 4, y, x, i % 4, o % 16] == WEIGHTS[place]


def test_axes_change_places() -> None:
    np.testing.assert_array_equal(in_layout(WEIGHTS, "OIHW", "HWIO"), WEIGHTS.transpose(2, 3, 1, 0))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        *(("OIHW", "OIHW5i16o"), ("OIHW", "OIHW2i2i16o"), ("OIHW", "OIH4i")),
        *(("OIH", "OIH4i"), ("OIHW4i", "OIHW"), ("OIHW", "NCHW")),
    ],
)
def test_other_layouts_are_left_to_tvm(source: str, wanted: str) -> None:
    assert in_layout(WEIGHTS, source, wanted) is None


def test_the_build_has_the_result_that_it_has_alone(onnx_models: Path) -> None:
    python = environment.prepared(Output(as_json=True))
    model = onnx_models / "classifier.onnx"
    done = subprocess.run(
        [python, "-c", _BUILDS, TVM.folder(environment.FOLDER), model],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert "contrib_conv2d_NCHWc" in str(found["by TVM"][0])
    assert found["ours"] == found["by TVM"]
    assert found["left"] == []
