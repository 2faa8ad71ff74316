"""Files of models for ONNX Runtime: what belongs to one, which are refused, how one is tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from inference.errors import ModelError
from inference.model.artifacts.artifact import check_artifact, open_artifact
from inference.model.artifacts.digests import record_digests
from inference.model.engines.onnx_runtime import OnnxRuntimeModel
from inference.model.engines.trying import try_in_child
from inference.serving.loading import load_model
from tests.disks import disk
from tests.inference import tiny_onnx
from tests.inference.conftest import MakeProfile
from tests.inference.tiny_onnx import (
    IMAGE,
    INPUT,
    MEANS,
    SPEC,
    mean_of_channels,
    save,
)

VERSION = onnxruntime.__version__


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_damaged_file_is_named_with_its_size(tmp_path: Path, content: bytes | None) -> None:
    path = save(tiny_onnx.weighted(), tmp_path / "model.onnx")
    content = path.read_bytes()[:1000] if content is None else content
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeModel(check_artifact(tmp_path), SPEC)
    assert str(caught.value) == (
        f"model file {path}: ONNX Runtime {VERSION} cannot load it on cpu: it is truncated or not "
        f"an ONNX model ({len(content)} bytes): copy it again"
    )


def test_a_file_of_another_kind_is_named_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeModel(check_artifact(tmp_path), SPEC)
    assert str(caught.value).endswith(
        "it is a pointer of Git LFS, not an ONNX model: fetch the file with `git lfs pull`"
    )


def test_weights_beside_the_model_are_part_of_the_artifact(tmp_path: Path) -> None:
    path = tiny_onnx.with_external_weights(tmp_path / "model.onnx")
    (scores,) = OnnxRuntimeModel(check_artifact(tmp_path), SPEC).run(IMAGE)
    np.testing.assert_allclose(scores, MEANS, rtol=1e-5)
    before = check_artifact(tmp_path).sha256
    weights = tmp_path / "model.onnx.data"
    weights.write_bytes(bytes(weights.stat().st_size))
    assert check_artifact(tmp_path).sha256 != before
    weights.write_bytes(b"short")
    with pytest.raises(
        ModelError, match=r"weights weights are in a file .* is truncated \(5 bytes"
    ):
        OnnxRuntimeModel(check_artifact(tmp_path), SPEC)
    weights.unlink()
    with pytest.raises(ModelError) as caught:
        check_artifact(tmp_path)
    assert str(caught.value) == (
        f"model file {path}: keeps weights in model.onnx.data, which is not beside it: the "
        "artifact is the folder of both, or its archive"
    )


def test_weights_beside_a_file_that_is_given_alone_come_with_it(tmp_path: Path) -> None:
    """As torch.onnx.export writes a model: after more training only the weights differ."""
    path = tiny_onnx.with_external_weights(tmp_path / "net.onnx")
    work = tmp_path / "work"
    first = open_artifact(path, work)
    (scores,) = OnnxRuntimeModel(first, SPEC).run(IMAGE)
    np.testing.assert_allclose(scores, MEANS, rtol=1e-5)
    assert open_artifact(path, work).folder == first.folder
    weights = tmp_path / "net.onnx.data"
    weights.write_bytes(bytes(weights.stat().st_size))
    second = open_artifact(path, work)
    assert second.folder != first.folder
    (scores,) = OnnxRuntimeModel(second, SPEC).run(IMAGE)
    np.testing.assert_array_equal(scores, np.zeros_like(MEANS))
    weights.unlink()
    with pytest.raises(
        ModelError, match=r"keeps weights in net\.onnx\.data, which is not beside it"
    ):
        open_artifact(path, work)


def test_weights_that_are_said_to_be_in_this_folder_are_beside_the_model(tmp_path: Path) -> None:
    import onnx

    path = tiny_onnx.with_external_weights(tmp_path / "model.onnx")
    model = onnx.load(str(path), load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "./model.onnx.data"
    path.write_bytes(model.SerializeToString())
    for artifact in (check_artifact(tmp_path), open_artifact(path, tmp_path / "work")):
        (scores,) = OnnxRuntimeModel(artifact, SPEC).run(IMAGE)
        np.testing.assert_allclose(scores, MEANS, rtol=1e-5)


def test_weights_in_another_folder_are_refused(tmp_path: Path) -> None:
    """No digest covers them, and what is outside an artifact is nothing to it."""
    import onnx

    path = tiny_onnx.with_external_weights(tmp_path / "model.onnx")
    model = onnx.load(str(path), load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "../" + "f" * 200 + "/weights"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"keeps weights in \.\./f{200}/weights, which is not"):
        check_artifact(tmp_path)


def test_recorded_digests_are_compared_before_loading(tmp_path: Path) -> None:
    path = save(mean_of_channels(), tmp_path / "model.onnx")
    record_digests(tmp_path)
    assert check_artifact(tmp_path).has_digests
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"model\.onnx: is truncated or changed"):
        check_artifact(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  other\n")
    (tmp_path / "other").touch()
    with pytest.raises(ModelError, match="other: is truncated or changed"):
        check_artifact(tmp_path)


def test_a_bare_file_is_the_same_model_under_every_name(tmp_path: Path) -> None:
    first = save(mean_of_channels(), tmp_path / "yolo11n.onnx")
    second = save(mean_of_channels(), tmp_path / "0123abcd.onnx")
    artifacts = [open_artifact(path, tmp_path / "work") for path in (first, second)]
    assert artifacts[0] == artifacts[1]
    assert artifacts[0].folder.parent == tmp_path / "work"
    assert [path.name for path in artifacts[0].folder.iterdir()] == ["model.onnx"]


def test_a_damaged_copy_of_a_bare_file_is_made_again(tmp_path: Path) -> None:
    path = save(mean_of_channels(), tmp_path / "fruit.onnx")
    artifact = open_artifact(path, tmp_path / "work")
    record_digests(artifact.folder)
    copy = artifact.folder / "model.onnx"
    copy.write_bytes(copy.read_bytes()[:-1])
    assert open_artifact(path, tmp_path / "work").sha256 == artifact.sha256
    assert copy.read_bytes() == path.read_bytes()


def test_artifacts_with_several_models_are_refused(tmp_path: Path) -> None:
    model = save(mean_of_channels(), tmp_path / "a" / "fruit.onnx")
    (model.parent / "._fruit.onnx").touch()  # what macOS leaves
    assert open_artifact(tmp_path, tmp_path / "work").runtime == "onnxruntime"
    (model.parent / "fruit-int8.onnx").write_bytes(model.read_bytes())
    with pytest.raises(ModelError, match=r"one \.onnx file, it has fruit-int8\.onnx, fruit\.onnx"):
        open_artifact(tmp_path, tmp_path / "work")
    (model.parent / "fruit-int8.onnx").rename(model.parent / "compiled.so")
    with pytest.raises(ModelError, match=r"for DLR and for ONNX Runtime \(compiled\.so, fruit\.on"):
        open_artifact(tmp_path, tmp_path / "work")
    (tmp_path / "b").mkdir()
    (model.parent / "compiled.so").rename(tmp_path / "b" / "fruit.onnx")
    with pytest.raises(ModelError, match="more than one model in it"):
        open_artifact(tmp_path, tmp_path / "work")


def test_a_first_try_in_a_child_reports_what_the_child_found(tmp_path: Path) -> None:
    save(mean_of_channels(), tmp_path / "model.onnx")
    artifact = check_artifact(tmp_path)
    try_in_child(artifact, SPEC)
    with pytest.raises(ModelError) as caught:
        try_in_child(artifact, replace(SPEC, name="data"))
    assert str(caught.value) == (
        f"model {tmp_path}: has the inputs images, but the profile says input data float32 "
        "[1, 3, 8, 8]; is it the profile of this model?"
    )


def test_a_bare_file_is_tried_once_then_loaded(tmp_path: Path, make_profile: MakeProfile) -> None:
    profile = make_profile(input__name=INPUT, output__activation="logits")
    path = save(mean_of_channels(), tmp_path / "fruit.onnx")
    loaded = load_model(path, tmp_path / "work", profile, "cpu", try_once=True)
    assert [output.shape for output in loaded.model.run(IMAGE)] == [(1, 3)]
    assert len(list((tmp_path / "work").glob("tried-cpu-*"))) == 1


def test_a_disk_that_hangs_does_not_delay_another_start(
    tmp_path: Path, make_profile: MakeProfile
) -> None:
    profile = make_profile(input__name=INPUT, output__activation="logits")
    path = save(mean_of_channels(), tmp_path / "fruit.onnx")
    with disk(tmp_path) as made:

        def start() -> None:
            load_model(path, made.folder / "work", profile, "cpu", try_once=True)

        start()
        assert not made.delays(start)


def test_a_model_that_was_unpacked_is_loaded_from_a_disk_that_has_become_read_only(
    tmp_path: Path, make_profile: MakeProfile
) -> None:
    profile = make_profile(input__name=INPUT, output__activation="logits")
    path = save(mean_of_channels(), tmp_path / "fruit.onnx")
    with disk(tmp_path) as made:
        work = made.folder / "work"
        before = load_model(path, work, profile, "cpu", try_once=True)
        made.make_read_only()
        after = load_model(path, work, profile, "cpu", try_once=True)
        assert after.artifact == before.artifact


def test_memory_that_does_not_suffice_is_named_before_loading(
    tmp_path: Path, make_profile: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights beside the model count too."""
    tiny_onnx.with_external_weights(tmp_path / "model" / "model.onnx")
    weights = tmp_path / "model" / "model.onnx.data"
    with weights.open("r+b") as stream:
        stream.truncate(40 << 20)
    monkeypatch.setattr("inference.serving.loading.available_memory", lambda: 100 << 20)
    with pytest.raises(ModelError, match="needs about 120 MB of memory, 100 MB are left"):
        load_model(tmp_path / "model", tmp_path, make_profile(input__name=INPUT), "cpu")
