"""What ``install`` refuses before it installs any package."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import component
import pytest

from models import store
from tests.inference.tiny_onnx import mean_of_channels, save, with_external_weights

PROFILE = "efficientnet-lite0-imagenet"


def refusal(
    model: Path, work: Path, caplog: pytest.LogCaptureFixture, runtime: str = "onnxruntime"
) -> str:
    caplog.clear()
    arguments = ["install", "--work", str(work), "--model", str(model), "--profile", PROFILE]
    with caplog.at_level(logging.ERROR):
        status = component.main([*arguments, "--runtime", runtime])
    (record,) = caplog.records
    assert status == 1
    assert not list(work.glob("venv-*"))
    assert "\n" not in record.getMessage()
    return record.getMessage()


def test_a_model_for_the_other_engine_is_refused_with_the_key_that_fits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What an archive in S3 holds is first seen here."""
    save(mean_of_channels(), tmp_path / "fruit" / "fruit.onnx")
    packed = shutil.make_archive(str(tmp_path / "fruit"), "gztar", str(tmp_path / "fruit"))
    message = refusal(Path(packed), tmp_path / "work", caplog, "dlr")
    assert message.startswith("install failed: model ")
    assert message.endswith(
        ": is for ONNX Runtime, but the component was deployed with modelRuntime=dlr: deploy it "
        "with modelRuntime=onnxruntime"
    )
    compiled = store.unpacked(PROFILE)
    message = refusal(compiled, tmp_path / "work", caplog)
    assert message.endswith(
        ": is for DLR, but the component was deployed with modelRuntime=onnxruntime: deploy it "
        "with modelRuntime=dlr"
    )


def test_a_file_without_its_weights_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = with_external_weights(tmp_path / "fruit.onnx")
    (tmp_path / "fruit.onnx.data").unlink()
    message = refusal(model, tmp_path / "work", caplog)
    assert "keeps weights in fruit.onnx.data, which is not beside it" in message


def test_an_engine_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        component.main(["install", "--work", "w", "--model", "m", "--profile", "p", "--runtime=x"])
    assert caught.value.code == 2
