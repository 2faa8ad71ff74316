"""What a context may not say for a V1 core, although a V2 core accepts it."""

import re
import tarfile
from pathlib import Path

import pytest

from inference.schema import ConfigurationError
from tests.stacks.synthesis import ROOT
from tests.stacks.test_context_keys import rule_of, settings

REFUSED = [
    ("modelRuntime", "onnxruntime"),
    ("dependencies", "bundled"),
    ("mqttPort", "443"),
    ("networkProxy", "http://proxy:3128"),
    ("dashboard", "true"),
    ("alarmEmail", "ops@example.com"),
    ("localTopic", "line1/predictions"),
    ("kmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:key/mrk-" + "0" * 32),
    ("components", "aws.greengrass.LogManager=2.3.9"),
    ("dropComponents", "true"),
    ("feedbackRateLimit", "60"),
    ("previewInterval", "10"),
]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("modelS3Uri", "s3://my.bucket/model.tar.gz"),
        ("modelS3Uri", "s3://bucket/model.tgz"),
        *REFUSED,
    ],
)
def test_first_generation_accepts_less(tmp_path: Path, key: str, value: str) -> None:
    settings(tmp_path, **{key: value})
    assert "greengrassVersion" in rule_of(tmp_path, key, greengrassVersion=1, **{key: value})


def test_documentation_names_every_key_that_the_first_generation_refuses() -> None:
    text = (ROOT / "docs" / "context.md").read_text(encoding="utf-8")
    paragraph = text.partition("- **`greengrassVersion=1`** refuses ")[2].partition("See [V1]")[0]
    named = set(re.findall(r"`(\w+)[=`]", paragraph))
    assert named == {*dict(REFUSED), "actions", "fleetName"}


def test_first_generation_has_no_actions(tmp_path: Path) -> None:
    action = {"name": "seen", "target": "arn:aws:sns:us-east-1:123456789012:alerts"}
    given = {"actions": [action], "messageFormat": "envelope"}
    settings(tmp_path, **given)
    rule = rule_of(tmp_path, "actions", greengrassVersion=1, **given)
    assert rule == "requires greengrassVersion=2: nothing is added to the groups of V1"


def test_first_generation_accepts_no_live_pictures(tmp_path: Path) -> None:
    settings(tmp_path, greengrassVersion=1, previewInterval=0)


def test_first_generation_has_no_fleets(tmp_path: Path) -> None:
    fleet = {"coreName": None, "certificateId": None, "fleetName": "shop-floor"}
    settings(tmp_path, **fleet)
    rule = rule_of(tmp_path, "fleetName", greengrassVersion=1, **fleet)
    assert rule == "requires greengrassVersion=2: a group of V1 has one core"


def test_first_generation_unpacks_zip_files_only(tmp_path: Path) -> None:
    (tmp_path / "compiled.so").write_bytes(b"")
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "compiled.so", "compiled.so")
    local = {"modelS3Uri": None, "modelPath": str(archive)}
    settings(tmp_path, **local)
    rule = rule_of(tmp_path, "modelPath", greengrassVersion=1, **local)
    assert rule == "must be a folder or a .zip file for greengrassVersion=1"


def test_first_generation_runs_compiled_models_only(tmp_path: Path) -> None:
    model = tmp_path / "fruit.onnx"
    model.write_bytes(b"\x08\x08")
    for source in ({"modelS3Uri": "s3://bucket/fruit.onnx"}, {"modelPath": str(model)}):
        given = {"modelS3Uri": None, "greengrassVersion": 1, **source}
        with pytest.raises(ConfigurationError) as caught:
            settings(tmp_path, **given)
        (fault,) = caught.value.faults
        assert str(fault) == (
            "modelRuntime='onnxruntime': requires greengrassVersion=2: a core of V1 runs compiled "
            "models (DLR) only, for example -c greengrassVersion=2"
        )
