"""Which engine runs the model: from the artifact, from the key, and where they contradict."""

import re
import tarfile
import zipfile
from pathlib import Path

import pytest
from aws_cdk.assertions import Annotations, Match
from onnx import helper

from inference.schema import ConfigurationError
from stacks.component.model_limit import limit_line
from stacks.context.model_runtime import KEY
from stacks.core.stack import GreengrassCoreStack
from tests.inference.tiny_onnx import (
    INPUT,
    mean_of_channels,
    model_of,
    save,
    with_external_weights,
)
from tests.stacks.synthesis import new_app, only, recipe_of, template_of
from tests.stacks.test_context_keys import rule_of, settings


@pytest.fixture
def onnx_model(tmp_path: Path) -> Path:
    return save(mean_of_channels(), tmp_path / "fruit" / "fruit.onnx")


def local(path: Path) -> dict[str, object]:
    return {"modelS3Uri": None, "modelPath": str(path)}


def archive_of(folder: Path, suffix: str) -> Path:
    archive = folder.with_name(f"packed{suffix}")
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for path in folder.iterdir():
                packed.write(path, f"inner/{path.name}")
    else:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(folder, "inner")
    return archive


@pytest.mark.parametrize("opset", [21, 22])
def test_synthesis_says_which_devices_run_a_model(tmp_path: Path, opset: int) -> None:
    node = helper.make_node("Identity", [INPUT], ["scores"])
    file = save(model_of([node], opset=opset), tmp_path / "fruit" / "fruit.onnx")
    folder = file.parent
    (folder / "._fruit.onnx").write_bytes(b"of a desktop")
    for path in (file, folder, archive_of(folder, ".tar.gz"), archive_of(folder, ".zip")):
        stack = GreengrassCoreStack(
            new_app(tmp_path / "cdk.out"), settings=settings(tmp_path, **local(path))
        )
        found = Annotations.from_stack(stack).find_info(
            "*", Match.string_like_regexp("Python 3.10 or newer only: it is of opset 22, and older")
        )
        assert len(found) == (opset > 21)


def test_a_compiled_model_or_one_in_s3_says_nothing_of_devices(tmp_path: Path) -> None:
    assert limit_line(settings(tmp_path, modelS3Uri="s3://bucket/models/fruit.onnx")) == ""
    file = tmp_path / "fruit.onnx"
    file.write_bytes(b"no model")
    assert limit_line(settings(tmp_path, **local(file))) == ""


def test_an_artifact_says_which_engine_runs_it(tmp_path: Path, onnx_model: Path) -> None:
    folder = onnx_model.parent
    for path in (onnx_model, folder, archive_of(folder, ".tar.gz"), archive_of(folder, ".zip")):
        assert settings(tmp_path, **local(path)).model_runtime == "onnxruntime"
        assert settings(tmp_path, **local(path), modelRuntime="onnxruntime")
    in_s3 = settings(tmp_path, modelS3Uri="s3://bucket/models/fruit.onnx")
    assert in_s3.model_runtime == "onnxruntime"


def test_without_a_word_about_it_the_engine_is_dlr(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "compiled.so").touch()
    assert settings(tmp_path, **local(tmp_path / "model")).model_runtime == "dlr"
    assert settings(tmp_path).model_runtime == "dlr"


def test_what_an_archive_in_s3_holds_the_key_says(tmp_path: Path) -> None:
    assert settings(tmp_path, modelRuntime="onnxruntime").model_runtime == "onnxruntime"


def test_an_engine_that_is_not_the_artifact_s_is_refused(tmp_path: Path, onnx_model: Path) -> None:
    rule = rule_of(tmp_path, KEY, **local(onnx_model), modelRuntime="dlr")
    assert rule == "cannot run what modelPath names, which is for ONNX Runtime"
    rule = rule_of(tmp_path, KEY, modelS3Uri="s3://bucket/fruit.onnx", modelRuntime="dlr")
    assert rule == "cannot run what modelS3Uri names, which is for ONNX Runtime"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "compiled.so").touch()
    rule = rule_of(tmp_path, KEY, **local(tmp_path / "model"), modelRuntime="onnxruntime")
    assert rule == "cannot run what modelPath names, which is for DLR"


def test_an_onnx_model_needs_a_profile_and_the_command_that_proposes_one_is_named(
    tmp_path: Path, onnx_model: Path
) -> None:
    rule = rule_of(tmp_path, "modelProfile", **local(onnx_model), modelProfile=None)
    assert rule == (
        f"is required for an ONNX model; `mli profile {onnx_model} --write fruit.json` proposes one"
    )


def test_an_artifact_of_this_app_is_named_with_its_own_profile(
    tmp_path: Path, onnx_model: Path
) -> None:
    own = onnx_model.parent / "profile" / "profile.json"
    own.parent.mkdir()
    own.write_text("{}")
    rule = rule_of(tmp_path, "modelProfile", **local(onnx_model.parent), modelProfile=None)
    assert rule == f"is required for an ONNX model; {onnx_model.parent} has its own"


@pytest.mark.parametrize(
    "given",
    [
        {"modelS3Uri": "s3://bucket/models/fruit.onnx"},
        {"modelS3Uri": "s3://bucket/models/fruit.tar.gz", "modelRuntime": "onnxruntime"},
    ],
)
def test_the_default_profile_is_for_no_onnx_model_in_s3_either(
    tmp_path: Path, given: dict[str, object]
) -> None:
    rule = rule_of(tmp_path, "modelProfile", **given, modelProfile=None)
    file = str(given["modelS3Uri"]).rpartition("/")[2]
    assert rule == (
        f"is required for an ONNX model; `mli profile {file} --write fruit.json` proposes one, "
        "from a copy of the model on this machine"
    )


def test_other_engines_are_refused(tmp_path: Path) -> None:
    assert "must be one of dlr, onnxruntime" in rule_of(tmp_path, KEY, modelRuntime="tflite")


def test_onnx_runtime_has_no_opencl(tmp_path: Path) -> None:
    given = {"modelRuntime": "onnxruntime", "accelerator": "opencl"}
    assert rule_of(tmp_path, "accelerator", **given) == (
        "must be cpu or gpu for modelRuntime=onnxruntime"
    )
    settings(tmp_path, modelRuntime="onnxruntime", accelerator="gpu")


def test_two_models_in_one_artifact_are_refused(tmp_path: Path, onnx_model: Path) -> None:
    folder = onnx_model.parent
    (folder / "._fruit.onnx").touch()  # what macOS leaves
    settings(tmp_path, **local(folder))
    (folder / "fruit-int8.onnx").write_bytes(onnx_model.read_bytes())
    expected = "holds more than one .onnx file (fruit-int8.onnx, fruit.onnx): keep one"
    assert rule_of(tmp_path, "modelPath", **local(folder)) == expected
    (folder / "fruit-int8.onnx").rename(folder / "compiled.so")
    assert "holds models for DLR and for ONNX Runtime (" in rule_of(
        tmp_path, "modelPath", **local(folder)
    )


def test_a_file_whose_weights_lie_beside_it_is_refused_alone(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    model = with_external_weights(folder / "large.onnx")
    settings(tmp_path, **local(folder))
    assert rule_of(tmp_path, "modelPath", **local(model)) == (
        "keeps its weights in large.onnx.data: give a folder with both files, or its archive, or "
        "put them into one file with `mli compile --with onnxruntime`"
    )


def test_a_bare_file_is_published_as_it_is_and_the_device_gets_its_engine(
    tmp_path: Path, onnx_model: Path
) -> None:
    recipe = recipe_of(template_of(tmp_path, **local(onnx_model)))
    (manifest,) = recipe["Manifests"]
    model = manifest["Artifacts"][1]
    assert re.fullmatch(r"s3://.*/[0-9a-f]{64}\.onnx", model["Uri"])
    assert model["Unarchive"] == "NONE"
    name = model["Uri"].rsplit("/", 1)[1]
    for step in ("install", "run"):
        script = manifest["Lifecycle"][step]["Script"]
        assert f" --model {{artifacts:path}}/{name} " in script
        assert script.endswith(" --runtime onnxruntime")
    assert recipe["ComponentDescription"] == "Image inference with ONNX Runtime"


def test_the_engine_is_part_of_the_content(tmp_path: Path) -> None:
    versions = {
        only(template_of(tmp_path / runtime, modelRuntime=runtime), "Custom::ArtifactCopies")[
            "ContentDigest"
        ]
        for runtime in ("dlr", "onnxruntime")
    }
    assert len(versions) == 2


def test_a_fault_of_a_context_names_the_option(tmp_path: Path, onnx_model: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, **local(onnx_model), modelRuntime="dlr")
    (fault,) = caught.value.faults
    assert str(fault).endswith(", for example -c modelRuntime=onnxruntime")
