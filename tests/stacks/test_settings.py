"""Settings: what a context may say, and what a user reads when it says something else."""

import json
import shlex
from pathlib import Path

import pytest

from inference import schema
from stacks.context.model_source import S3Object
from stacks.context.report import MissingKey, format_faults
from stacks.generations import read_settings
from tests.stacks.synthesis import CERTIFICATE_ID, PROFILE, context, feature_flags

TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
CORE_NAME_RULE = (
    "must be 1 to 64 letters, digits, hyphens or underscores, beginning with a letter or digit"
)


def faults(values: dict[str, object]) -> dict[str, schema.Fault]:
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings(values)
    return {fault.key: fault for fault in caught.value.faults}


def test_strings_of_the_command_line_and_types_of_cdk_json_mean_the_same(tmp_path: Path) -> None:
    words = {"topK": "3", "confidenceThreshold": "0.25", "classes": "cat,dog"}
    types = {"topK": 3, "confidenceThreshold": 0.25, "classes": ["cat", "dog"]}
    from_words = read_settings(context(tmp_path, **words))
    assert from_words == read_settings(context(tmp_path, **types))
    assert from_words.inference.top_k == 3
    assert from_words.inference.classes == ("cat", "dog")


def test_what_is_left_out_is_left_to_the_profile(tmp_path: Path) -> None:
    settings = read_settings(context(tmp_path))
    assert settings.core_name == "Demo"
    assert settings.model == S3Object("bucket", "models/model.tar.gz")
    assert settings.inference.confidence_threshold is None
    assert settings.inference.top_k is None


def test_context_of_the_cdk_itself_is_ignored(tmp_path: Path) -> None:
    own = {
        **feature_flags(),
        "aws:cdk:enable-path-metadata": True,
        "availability-zones:account=123456789012:region=eu-west-1": ["eu-west-1a"],
        "ssm:account=123456789012:parameterName=/a:region=eu-west-1": "ami-1",
        "cdk-migrate": True,
        "cli-telemetry": False,
        "acknowledged-issue-numbers": [34892],
    }
    read_settings({**context(tmp_path), **own})


def test_every_fault_is_reported_at_once_with_the_option_that_corrects_it() -> None:
    found = faults(
        {"coreName": "bad name!", "certificateId": "123", "confidenceThreshold": "7", "tpoK": "3"}
    )
    corrections = {key: fault.example for key, fault in found.items()}
    assert corrections == {
        "coreName": "-c coreName=Toradex2",
        "certificateId": f"-c certificateId={CERTIFICATE_ID}",
        "confidenceThreshold": "-c confidenceThreshold=0.5",
        "tpoK": "-c topK=3",
        "modelS3Uri": "-c modelS3Uri=s3://my-bucket/model.tar.gz",
    }


def test_report_is_a_header_and_one_line_per_fault(tmp_path: Path) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings(context(tmp_path, coreName="two\nlines", topK="0"))
    assert format_faults(caught.value).splitlines() == [
        "2 faults in the context; nothing was synthesised:",
        f"  coreName='two\\nlines': {CORE_NAME_RULE}, for example -c coreName=Toradex2",
        "  topK='0': must be a whole number from 1 to 100, for example -c topK=5",
    ]


def test_report_of_one_fault_says_fault(tmp_path: Path) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings(context(tmp_path, topK="0"))
    assert format_faults(caught.value).startswith(
        "1 fault in the context; nothing was synthesised:\n"
    )


def test_unknown_key_keeps_its_value_under_the_nearest_known_one(tmp_path: Path) -> None:
    found = faults(context(tmp_path, core_name="x y", clases=["cat"], zzz="1"))
    assert found["core_name"].example == "-c coreName='x y'"
    assert found["clases"].example == """-c classes='["cat"]'"""
    assert found["zzz"].example == ""


def test_missing_keys_are_reported_with_the_faults() -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings(
            {"coreName": "bad!", "certificateId": "123", "confidenceThreshold": "7", "tpoK": "3"}
        )
    lines = format_faults(caught.value).splitlines()
    assert lines[0] == "4 faults in the context and 1 key missing; nothing was synthesised:"
    assert lines[5].startswith("  modelS3Uri is required, unless modelPath is given, for example")
    assert len(lines) == 6


def test_report_of_missing_keys_alone_says_so() -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings({})
    lines = format_faults(caught.value).splitlines()
    assert lines[0] == "3 keys missing in the context; nothing was synthesised:"
    assert lines[1] == (
        "  coreName is required, unless fleetName is given, for example -c coreName=Toradex2"
    )


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("coreName", "is required, unless fleetName is given"),
        ("certificateId", "is required, unless certificateSigningRequest is given"),
    ],
)
def test_key_is_required(tmp_path: Path, key: str, rule: str) -> None:
    fault = faults(context(tmp_path, **{key: None}))[key]
    assert isinstance(fault, MissingKey)
    assert fault.rule == rule


@pytest.mark.parametrize(
    "certificate",
    [
        CERTIFICATE_ID,
        f"arn:aws:iot:eu-west-1:123456789012:cert/{CERTIFICATE_ID}",
        f"arn:aws-cn:iot:cn-north-1:123456789012:cert/{CERTIFICATE_ID}",
        f"arn:aws-us-gov:iot:us-gov-west-1:123456789012:cert/{CERTIFICATE_ID}",
    ],
)
def test_certificate_is_an_id_or_an_arn(tmp_path: Path, certificate: str) -> None:
    settings = read_settings(context(tmp_path, certificateId=certificate))
    assert settings.certificate == certificate


@pytest.mark.parametrize(
    "certificate",
    [
        "",
        CERTIFICATE_ID[1:],
        CERTIFICATE_ID.upper(),
        CERTIFICATE_ID + "\n",
        f"cert/{CERTIFICATE_ID}",
        f"arn:aws:iot:eu-west-1:12345:cert/{CERTIFICATE_ID}",
        f"arn:aws:iot:eu-west-1:123456789012:policy/{CERTIFICATE_ID}",
        f"arn:aws:iam:eu-west-1:123456789012:cert/{CERTIFICATE_ID}",
        17,
    ],
)
def test_other_certificates_are_refused(tmp_path: Path, certificate: object) -> None:
    assert faults(context(tmp_path, certificateId=certificate)).keys() == {"certificateId"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("imageSource", "rtsp://user:secret@camera/${Token[TOKEN.1]}"),
        ("imageSource", "/data/#{Token[TOKEN.1]}/*.jpg"),
        (
            "components",
            {"a.b": {"version": "1.0.0", "configuration": {"x": ["${Token[TOKEN.1]}"]}}},
        ),
        (
            "actions",
            [{"name": "a", "label": "${Token[TOKEN.1]}", "target": TOPIC}],
        ),
    ],
)
def test_placeholders_of_the_cdk_are_refused(tmp_path: Path, key: str, value: object) -> None:
    """They would be a traceback, or become something else."""
    found = faults(context(tmp_path, messageFormat="envelope", **{key: value}))[key]
    assert found.rule == "is a placeholder of the CDK itself, which no value may contain"
    assert str(found.value)[1:] == "{Token[TOKEN.1]}"


def test_model_comes_from_one_place(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "compiled.so").touch()
    both = faults(context(tmp_path, modelPath=str(folder)))
    assert both["modelPath"].rule == "cannot be combined with modelS3Uri: leave one of the two out"
    neither = faults(context(tmp_path, modelS3Uri=None))
    assert neither["modelS3Uri"].rule == "is required, unless modelPath is given"
    settings = read_settings(context(tmp_path, modelS3Uri=None, modelPath=str(folder)))
    assert settings.model == folder


def test_faulty_model_is_not_also_called_missing(tmp_path: Path) -> None:
    found = faults(context(tmp_path, modelS3Uri="s3://bucket/model.exe"))
    assert found["modelS3Uri"].rule == "must end in .tar.gz, .tgz, .zip, .onnx"


def test_faulty_profile_fails_here_and_not_on_the_device(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({**PROFILE, "topK": 0, "labels": None, "colour": "RGB"}))
    found = faults(context(tmp_path, modelProfile=str(path)))
    assert found.keys() == {"wrong.json: topK", "wrong.json: colour"}


def test_unknown_profile_is_refused_with_an_option(tmp_path: Path) -> None:
    found = faults(context(tmp_path, modelProfile="no-such-profile"))
    assert found["modelProfile"].example == "-c modelProfile=gluoncv-ssd-voc"


def test_classes_are_labels_of_the_profile(tmp_path: Path) -> None:
    found = faults(context(tmp_path, classes="cat,dgo"))
    assert found["classes"].value == "dgo"
    assert found["classes"].rule == "must be among the 2 labels of the profile pets"
    assert found["classes"].example == "-c classes=dog"


def test_correction_of_a_label_with_a_comma_can_be_copied(tmp_path: Path) -> None:
    """Most labels of ImageNet have one."""
    label, profile = "n01440764 tench, Tinca tinca", "efficientnet-lite0-imagenet"
    found = faults(context(tmp_path, classes=label, modelProfile=profile))
    [_, option] = shlex.split(found["classes"].example)
    corrected = context(tmp_path, classes=option.removeprefix("classes="), modelProfile=profile)
    assert read_settings(corrected).inference.classes == (label,)


def test_classes_of_a_profile_without_labels_are_free(tmp_path: Path) -> None:
    path = tmp_path / "nameless.json"
    path.write_text(json.dumps({**PROFILE, "labels": None}))
    settings = read_settings(context(tmp_path, modelProfile=str(path), classes="7"))
    assert settings.inference.classes == ("7",)
