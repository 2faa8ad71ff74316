"""The recipe keeps to the rules that both nuclei share, and its version follows its content."""

import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from edge_functions import CODE_FOLDER
from inference import names, settings
from inference.model.profiles import profile
from stacks.component.artifacts import stage_profile
from stacks.component.recipe import MAX_RECIPE_BYTES
from tests.stacks.synthesis import (
    only,
    recipe_of,
    recipe_text,
    resolved,
    template_of,
    write_profile,
)

HASH = "[0-9a-f]{64}"
COPIES = "s3://<StoreBucket>/DlrInference.Demo"
RECIPE_VARIABLES = {"{artifacts:path}", "{artifacts:decompressedPath}", "{work:path}"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return template_of(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def recipe(template: dict[str, Any]) -> dict[str, Any]:
    return recipe_of(template)


@pytest.fixture(scope="module")
def manifest(recipe: dict[str, Any]) -> dict[str, Any]:
    (manifest,) = recipe["Manifests"]
    found: dict[str, Any] = manifest
    return found


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "compiled.so").write_bytes(b"\x7fELF\0")
    return folder


def content_of(template: dict[str, Any]) -> str:
    """What the version's numbers are derived from, besides the bytes of a model in S3."""
    digest: str = only(template, "Custom::ArtifactCopies")["ContentDigest"]
    return digest


def version_of(folder: Path, **values: object) -> str:
    return content_of(template_of(folder, **values))


def test_both_nuclei_accept_the_manifest(manifest: dict[str, Any]) -> None:
    assert manifest["Platform"] == {"os": "linux", "runtime": "*"}


def test_recipe_has_the_keys_of_its_format(recipe: dict[str, Any]) -> None:
    assert recipe["RecipeFormatVersion"] == "2020-01-25"
    assert recipe["ComponentType"] == "aws.greengrass.generic"
    assert recipe.keys() == {
        "RecipeFormatVersion",
        "ComponentName",
        "ComponentVersion",
        "ComponentType",
        "ComponentDescription",
        "ComponentPublisher",
        "ComponentConfiguration",
        "ComponentDependencies",
        "Manifests",
    }


def test_lifecycle_has_no_step_that_nucleus_lite_lacks(manifest: dict[str, Any]) -> None:
    lifecycle = manifest["Lifecycle"]
    assert lifecycle.keys() == {"install", "run"}
    assert lifecycle["install"].keys() == {"Script", "Timeout"}
    assert lifecycle["install"]["Timeout"] == 1800
    assert lifecycle["run"].keys() == {"Script"}


@pytest.mark.parametrize("step", ["install", "run"])
def test_scripts_start_our_file_in_one_line(manifest: dict[str, Any], step: str) -> None:
    script = manifest["Lifecycle"][step]["Script"]
    assert re.fullmatch(
        rf"python3 \{{artifacts:decompressedPath\}}/{HASH}/component\.py {step}"
        rf" --work \{{work:path\}} --model \{{artifacts:path\}}/model\.tar\.gz"
        rf" --profile \{{artifacts:decompressedPath\}}/{HASH}/profile\.json --runtime dlr",
        script,
    )


@pytest.mark.parametrize("step", ["install", "run"])
def test_scripts_have_no_braces_except_those_of_variables(
    manifest: dict[str, Any], step: str
) -> None:
    script = manifest["Lifecycle"][step]["Script"]
    variables = re.findall(r"\{[^{}]*\}", script)
    assert set(variables) <= RECIPE_VARIABLES
    assert not set("{}$") & set(re.sub("|".join(map(re.escape, variables)), "", script))


def test_scripts_name_the_folders_that_the_archives_become(manifest: dict[str, Any]) -> None:
    code, model, bundle = manifest["Artifacts"]
    script = manifest["Lifecycle"]["run"]["Script"]
    for archive, file in ((code, "component.py"), (bundle, "profile.json")):
        folder = archive["Uri"].rsplit("/", 1)[1].removesuffix(".zip")
        assert f"{{artifacts:decompressedPath}}/{folder}/{file}" in script
    assert model["Uri"].endswith("/model.tar.gz")


def test_artifacts_are_ours_alone_to_read(manifest: dict[str, Any]) -> None:
    code, model, bundle = manifest["Artifacts"]
    assert re.fullmatch(rf"{COPIES}/{HASH}\.zip", code["Uri"])
    assert re.fullmatch(rf"{COPIES}/{HASH}\.zip", bundle["Uri"])
    assert model["Uri"] == f"{COPIES}/<InferenceCopies.ModelFolder>/model.tar.gz"
    assert [part["Unarchive"] for part in (code, model, bundle)] == ["ZIP", "NONE", "ZIP"]
    for part in (code, model, bundle):
        assert part.keys() == {"Uri", "Unarchive", "Permission"}
        assert part["Permission"] == {"Read": "OWNER", "Execute": "NONE"}


def test_component_goes_on_without_the_service_of_credentials(recipe: dict[str, Any]) -> None:
    assert recipe["ComponentDependencies"] == {
        "aws.greengrass.TokenExchangeService": {
            "VersionRequirement": ">=2.0.0 <3.0.0",
            "DependencyType": "SOFT",
        }
    }


def test_device_reads_back_the_configuration(recipe: dict[str, Any]) -> None:
    configuration = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    expected = settings.InferenceSettings(core_name="Demo")
    assert configuration.keys() == {"coreName", "accessControl"}
    assert settings.InferenceSettings.from_configuration(configuration) == expected


def test_component_may_publish_on_four_literal_topics(recipe: dict[str, Any]) -> None:
    configuration = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    assert configuration["accessControl"] == {
        "aws.greengrass.ipc.mqttproxy": {
            "DlrInference.Demo:mqttproxy:1": {
                "policyDescription": "Publish results",
                "operations": ["aws.greengrass#PublishToIoTCore"],
                "resources": [
                    names.prediction_topic("Demo"),
                    names.telemetry_topic("Demo"),
                    names.FEEDBACK_PREDICTION_TOPIC,
                    names.FEEDBACK_STATUS_TOPIC,
                ],
            }
        }
    }


def test_component_may_publish_on_the_local_topic_and_no_other(tmp_path: Path) -> None:
    recipe = recipe_of(template_of(tmp_path, localTopic="line1/predictions"))
    configuration = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    assert configuration["accessControl"]["aws.greengrass.ipc.pubsub"] == {
        "DlrInference.Demo:pubsub:1": {
            "policyDescription": "Publish results",
            "operations": ["aws.greengrass#PublishToTopic"],
            "resources": ["line1/predictions"],
        }
    }


def test_longest_recipe_fits_into_nucleus_lite(tmp_path: Path) -> None:
    template = template_of(
        tmp_path,
        coreName="n" * 64,
        localTopic="t" * 128,
        modelS3Uri=f"s3://{'b' * 63}/{'d/' * 460}{'f' * 93}.tar.gz",
    )
    assert len(recipe_text(template).encode()) <= MAX_RECIPE_BYTES


@pytest.mark.parametrize("name", profile.builtin_profiles())
def test_names_of_builtin_profiles_can_stand_in_a_script(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,64}", name)


def test_default_profile_is_built_in_and_only_named(tmp_path: Path) -> None:
    (manifest,) = recipe_of(template_of(tmp_path, modelProfile=None))["Manifests"]
    assert manifest["Lifecycle"]["run"]["Script"].endswith(
        " --profile gluoncv-ssd-voc --runtime dlr"
    )
    assert len(manifest["Artifacts"]) == 2


def test_model_folder_is_published_as_a_zip_that_stays_packed(
    tmp_path: Path, model_folder: Path
) -> None:
    template = template_of(tmp_path, modelS3Uri=None, modelPath=str(model_folder))
    (manifest,) = recipe_of(template)["Manifests"]
    model = manifest["Artifacts"][1]
    assert re.fullmatch(rf"{COPIES}/{HASH}\.zip", model["Uri"])
    assert model["Unarchive"] == "NONE"
    name = model["Uri"].rsplit("/", 1)[1]
    assert f" --model {{artifacts:path}}/{name} " in manifest["Lifecycle"]["run"]["Script"]


def test_model_archive_is_published_as_it_is(tmp_path: Path, model_folder: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(model_folder / "compiled.so", "compiled.so")
    template = template_of(tmp_path, modelS3Uri=None, modelPath=str(archive))
    model = recipe_of(template)["Manifests"][0]["Artifacts"][1]
    # The CDK keeps the last suffix only; the device goes by the content.
    assert re.fullmatch(rf"{COPIES}/{HASH}\.gz", model["Uri"])
    assert model["Unarchive"] == "NONE"


def test_version_is_the_content_s_numbers_and_one_that_is_looked_up(
    recipe: dict[str, Any], template: dict[str, Any]
) -> None:
    content = "<InferenceCopies.ContentVersion>"
    assert recipe["ComponentVersion"] == f"{content}.<InferenceRevision.Revision>"
    looked_up = resolved(only(template, "Custom::ComponentRevision"))
    assert looked_up["ContentVersion"] == content
    assert looked_up["ComponentArn"] == (
        "arn:aws:greengrass:ap-southeast-2:123456789012:components:DlrInference.Demo"
    )


def test_settings_come_with_the_deployment_and_create_no_version(
    template: dict[str, Any], tmp_path: Path
) -> None:
    other = template_of(tmp_path, topK="3", confidenceThreshold="0.9", imageSource="camera:0")
    assert recipe_text(other) == recipe_text(template)
    deployments = [only(one, "AWS::GreengrassV2::Deployment") for one in (template, other)]
    assert deployments[0] != deployments[1]


def test_same_content_has_the_same_version_wherever_it_lies(
    template: dict[str, Any], tmp_path: Path
) -> None:
    again = template_of(tmp_path)
    assert recipe_text(again) == recipe_text(template)
    assert content_of(again) == content_of(template)


def test_every_part_of_the_content_changes_the_version(
    template: dict[str, Any], tmp_path: Path, model_folder: Path
) -> None:
    other_labels = write_profile(tmp_path / "labels", "cat\ncow\n")
    local = {"modelS3Uri": None, "modelPath": str(model_folder)}
    versions = {
        content_of(template),
        version_of(tmp_path / "1", feedback="false"),
        version_of(tmp_path / "2", modelS3Uri="s3://bucket/models/other.tar.gz"),
        version_of(tmp_path / "3", modelProfile=other_labels),
        version_of(tmp_path / "4", **local),
    }
    (model_folder / "compiled.so").write_bytes(b"\x7fELF\1other")
    versions.add(version_of(tmp_path / "5", **local))
    assert len(versions) == 6


def test_changed_code_changes_the_version(
    template: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "code"
    shutil.copytree(CODE_FOLDER, copy)
    monkeypatch.setattr("stacks.component.artifacts.CODE_FOLDER", copy)
    assert version_of(tmp_path / "1") == content_of(template)
    (copy / "inference" / "names.py").open("a").write("\n")
    assert version_of(tmp_path / "2") != content_of(template)


def test_traces_of_running_modes_and_the_function_of_v1_change_nothing(
    template: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "code"
    shutil.copytree(CODE_FOLDER, copy)
    monkeypatch.setattr("stacks.component.artifacts.CODE_FOLDER", copy)
    (copy / "inference" / "__pycache__").mkdir(exist_ok=True)
    (copy / "inference" / "__pycache__" / "names.cpython-38.pyc").write_bytes(b"\0")
    (copy / "inference" / "names.py").chmod(0o755)
    for path in ("lambda_function.py", "inference/v1/core.py", "requirements-v1.txt"):
        (copy / path).unlink()
    assert version_of(tmp_path / "1") == content_of(template)


def test_staged_profile_is_one_that_the_device_loads(tmp_path: Path) -> None:
    source = write_profile(tmp_path / "source")
    staged = tmp_path / "staged"
    staged.mkdir()
    stage_profile(source, staged)
    assert sorted(path.name for path in staged.iterdir()) == ["labels.txt", "profile.json"]
    loaded = profile.load_profile(staged / "profile.json")
    assert loaded == profile.load_profile(source)
    assert loaded.labels == ("cat", "dog")
