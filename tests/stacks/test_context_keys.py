"""Every key of the context: what it accepts, what it refuses, and which keys exclude others."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inference import schema
from stacks.context.keys import APP_FIELDS, CONTEXT_FIELDS, EXAMPLES, FEEDBACK_FIELDS
from stacks.context.settings import FeedbackSettings, Settings
from stacks.generations import GENERATIONS, read_settings
from stacks.v1.feedback_connector import request_limit_text
from tests.stacks.configurations import REQUEST
from tests.stacks.synthesis import CERTIFICATE_ID, context

FOOTER = "-----END CERTIFICATE REQUEST-----"
DESIGNED_KEYS = {
    *("coreName", "certificateId", "certificateSigningRequest", "modelS3Uri", "modelPath"),
    *("modelProfile", "greengrassVersion", "imageSource", "inferenceInterval"),
    *("confidenceThreshold", "topK", "classes", "accelerator", "feedback", "feedbackBucketName"),
    *("feedbackConfiguration", "feedbackRequestLimit", "messageFormat", "dependencies"),
    *("architecture", "simulator", "simulatorInstanceType", "simulatorArchitecture"),
    *("simulatorVpcId", "simulatorSubnetId", "simulatorKeyName", "simulatorSshCidr"),
}


def settings(folder: Path, **values: object) -> Settings:
    return read_settings(context(folder, **values))


def rule_of(folder: Path, key: str, **values: object) -> str:
    with pytest.raises(schema.ConfigurationError) as caught:
        settings(folder, **values)
    (rule,) = {fault.rule for fault in caught.value.faults if fault.key == key}
    return rule


def test_designed_keys_are_there_and_each_says_what_it_means() -> None:
    keys = [field.key for field in CONTEXT_FIELDS]
    assert set(keys) >= DESIGNED_KEYS
    assert len(keys) == len(set(keys))
    assert all(field.meaning and field.example for field in CONTEXT_FIELDS)


@pytest.mark.parametrize(
    ("fields", "settings_class", "composed"),
    [(APP_FIELDS, Settings, {"inference", "feedback"}), (FEEDBACK_FIELDS, FeedbackSettings, set())],
)
def test_fields_and_attributes_agree_one_to_one(
    fields: Sequence[schema.Field[Any]], settings_class: type, composed: set[str]
) -> None:
    declared = list(dict.fromkeys(field.attribute for field in fields))
    typed = [one.name for one in dataclasses.fields(settings_class)]
    assert declared == [name for name in typed if name not in composed]


def test_every_generation_can_be_chosen_and_no_other(tmp_path: Path) -> None:
    for number in GENERATIONS:
        assert settings(tmp_path, greengrassVersion=number).greengrass_version == number
    for number in (min(GENERATIONS) - 1, max(GENERATIONS) + 1):
        assert "must be one of" in rule_of(tmp_path, "greengrassVersion", greengrassVersion=number)


def test_a_bare_core_is_a_v2_core_with_feedback_and_no_simulator(tmp_path: Path) -> None:
    bare = settings(tmp_path)
    assert bare.greengrass_version == 2
    assert bare.feedback is not None
    assert bare.feedback.bucket_name is None
    assert bare.inference.feedback_request_limit == 0
    assert (bare.dependencies, bare.architecture) == ("online", "x86_64")
    assert not bare.simulator
    assert bare.fleet_name is None
    assert bare.kms_key_arn is None


@pytest.mark.parametrize("version", ["1", 1])
def test_first_generation_is_chosen_by_word_or_number(tmp_path: Path, version: object) -> None:
    assert settings(tmp_path, greengrassVersion=version).greengrass_version == 1


def test_request_replaces_the_certificate(tmp_path: Path) -> None:
    found = settings(tmp_path, certificateId=None, certificateSigningRequest=str(REQUEST))
    assert found.certificate is None
    assert found.certificate_signing_request == REQUEST.read_text()


def test_request_and_certificate_exclude_each_other(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, "certificateSigningRequest", certificateSigningRequest=str(REQUEST))
    assert rule == "cannot be combined with certificateId: leave one of the two out"


def test_request_of_other_tools_is_the_same_request(tmp_path: Path) -> None:
    text = REQUEST.read_text().replace(" CERTIFICATE REQ", " NEW CERTIFICATE REQ")
    path = tmp_path / "core.csr"
    path.write_bytes(b"\xef\xbb\xbf" + ("notes\n" + text).replace("\n", "\r\n").encode())
    found = settings(tmp_path, certificateId=None, certificateSigningRequest=str(path))
    assert found.certificate_signing_request == REQUEST.read_text()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("", "must be the path of a certificate signing request in PEM form"),
        ("-----BEGIN PRIVATE KEY-----", "holds a private key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "must be the path"),
        (REQUEST.read_text().replace("MIIC", "MIIB"), "cut short or damaged"),
        ("\n".join([*REQUEST.read_text().splitlines()[:-2], FOOTER]), "cut short or damaged"),
        (REQUEST.read_text().replace("MII", "M=I"), "base64 text is damaged"),
        (REQUEST.read_text().replace(FOOTER, ""), "must be the path"),
        ("\0" * 70_000, "the file is over 65536 bytes"),
    ],
)
def test_other_files_are_no_request(tmp_path: Path, content: str, rule: str) -> None:
    path = tmp_path / "core.csr"
    path.write_text(content)
    wrong = {"certificateId": None, "certificateSigningRequest": str(path)}
    assert rule in rule_of(tmp_path, "certificateSigningRequest", **wrong)


@pytest.mark.parametrize("path", ["no-such-file", "~no-such-user/a", "\ud800", "a" * 5000, 7, "."])
def test_file_that_cannot_be_read_is_a_fault(tmp_path: Path, path: object) -> None:
    wrong = {"certificateId": None, "certificateSigningRequest": path}
    assert "must be the path" in rule_of(tmp_path, "certificateSigningRequest", **wrong)


def test_feedback_is_switched_off(tmp_path: Path) -> None:
    off = settings(tmp_path, feedback="false")
    assert off.feedback is None
    assert off.inference.feedback is None


@pytest.mark.parametrize("name", ["samples", "arn:aws:s3:::samples", "arn:aws-cn:s3:::samples"])
def test_feedback_bucket_is_a_name_or_an_arn(tmp_path: Path, name: str) -> None:
    feedback = settings(tmp_path, feedbackBucketName=name).feedback
    assert feedback is not None
    assert feedback.bucket_name == "samples"


@pytest.mark.parametrize("name", ["", "No", "a..b", "s3://samples", "a/b", 5, "arn:aws:s3:::a/b"])
def test_other_buckets_are_refused(tmp_path: Path, name: object) -> None:
    assert "must be the name of a bucket" in rule_of(
        tmp_path, "feedbackBucketName", feedbackBucketName=name
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("192.168.1.20", "is an IP address"),
        ("xn--samples", "begins with xn--"),
        ("amzn-s3-demo-samples", "begins with amzn-s3-demo-"),
        ("samples-s3alias", "ends in -s3alias"),
        ("samples--x-s3", "ends in --x-s3"),
    ],
)
def test_bucket_that_nobody_can_have_is_refused_wherever_it_stands(
    tmp_path: Path, name: str, why: str
) -> None:
    assert why in rule_of(tmp_path, "feedbackBucketName", feedbackBucketName=name)
    assert why in rule_of(tmp_path, "modelS3Uri", modelS3Uri=f"s3://{name}/model.zip")
    own = low(threshold=0.2)
    own["Low"]["s3-bucket-name"] = name
    key = "feedbackConfiguration.Low.s3-bucket-name"
    assert why in rule_of(tmp_path, key, feedbackConfiguration=own)


@pytest.mark.parametrize("name", ["a..b", "-samples", "samples."])
def test_bucket_of_one_configuration_obeys_the_rules_of_amazon_s3(
    tmp_path: Path, name: str
) -> None:
    own = low(threshold=0.2)
    own["Low"]["s3-bucket-name"] = name
    key = "feedbackConfiguration.Low.s3-bucket-name"
    assert "must be the name of a bucket" in rule_of(tmp_path, key, feedbackConfiguration=own)


def low(**strategy: object) -> dict[str, Any]:
    return {
        "Low": {
            "content-type": "image/jpeg",
            "s3-prefix": "low",
            "sampling-strategy": {"strategy-name": "LEAST_CONFIDENCE", **strategy},
        }
    }


def test_feedback_configuration_is_text_object_or_file(tmp_path: Path) -> None:
    path = tmp_path / "feedback.json"
    path.write_text(json.dumps(low(threshold=0.2)))
    found = {
        settings(tmp_path, feedbackConfiguration=value).feedback
        for value in (low(threshold=0.2), json.dumps(low(threshold=0.2)), str(path))
    }
    (feedback,) = found
    assert feedback is not None
    assert [one.id for one in feedback.configuration.all] == ["Low"]


def test_faults_within_feedback_are_named_with_what_corrects_them(tmp_path: Path) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        settings(tmp_path, feedbackConfiguration=low(threshold=7), topK=0)
    found = {fault.key: fault for fault in caught.value.faults}
    key = "feedbackConfiguration.Low.sampling-strategy.threshold"
    assert found.keys() == {key, "topK"}
    assert found[key].example == '"threshold": 0.5 in -c feedbackConfiguration=…'


@pytest.mark.parametrize(("limit", "text"), [("", ""), ("0", ""), ("10", "10"), (10, "10")])
def test_request_limit_is_the_connector_s_text(tmp_path: Path, limit: object, text: str) -> None:
    found = settings(tmp_path, feedbackRequestLimit=limit).inference.feedback_request_limit
    assert found == int(text or 0)
    assert request_limit_text(found) == text


@pytest.mark.parametrize("limit", ["1000", "-1", "ten", True, 1.5])
def test_other_request_limits_are_refused(tmp_path: Path, limit: object) -> None:
    assert "999" in rule_of(tmp_path, "feedbackRequestLimit", feedbackRequestLimit=limit)


def test_instance_type_follows_the_architecture(tmp_path: Path) -> None:
    assert settings(tmp_path).simulator_instance_type == "t3.medium"
    arm = settings(tmp_path, simulatorArchitecture="arm64")
    assert arm.simulator_instance_type == "t4g.medium"


@pytest.mark.parametrize(
    ("chosen", "architecture"),
    [
        ("t4g.small", "arm64"),
        ("c7gn.large", "arm64"),
        ("a1.medium", "arm64"),
        ("g4dn.xlarge", "x86_64"),
        ("m7i-flex.large", "x86_64"),
        ("g5g.xlarge", "arm64"),
        ("u-6tb1.metal", "x86_64"),
    ],
)
def test_instance_type_of_another_architecture_is_refused(
    tmp_path: Path, chosen: str, architecture: str
) -> None:
    other = "x86_64" if architecture == "arm64" else "arm64"
    values = {"simulatorInstanceType": chosen, "simulatorArchitecture": architecture}
    assert settings(tmp_path, **values).simulator_instance_type == chosen
    rule = rule_of(tmp_path, "simulatorInstanceType", **{**values, "simulatorArchitecture": other})
    assert rule == f"is {architecture}, but simulatorArchitecture is {other}"


def test_bundled_packages_must_fit_the_simulator(tmp_path: Path) -> None:
    values = {"simulator": True, "dependencies": "bundled", "simulatorArchitecture": "arm64"}
    rule = rule_of(tmp_path, "architecture", **values)
    assert rule.startswith("must be aarch64, like the simulator's processor (arm64)")
    assert settings(tmp_path, **values, architecture="aarch64").simulator
    assert settings(tmp_path, **{**values, "simulator": False}).architecture == "x86_64"
    assert settings(tmp_path, **{**values, "dependencies": "online"}).simulator


def test_ssh_needs_a_key_and_a_network(tmp_path: Path) -> None:
    both = {"simulatorKeyName": "my-key", "simulatorSshCidr": "203.0.113.0/24"}
    assert settings(tmp_path, **both).simulator_ssh_cidr == "203.0.113.0/24"
    for key, value in both.items():
        assert "since SSH needs both" in rule_of(tmp_path, key, **{key: value})


def test_existing_network_needs_its_subnet_too(tmp_path: Path) -> None:
    both = {"simulatorVpcId": "vpc-0123456789abcdef0", "simulatorSubnetId": "subnet-0a1b2c3d"}
    assert settings(tmp_path, **both).simulator_subnet_id == "subnet-0a1b2c3d"
    for key, value in both.items():
        assert "leave both out for a network of its own" in rule_of(tmp_path, key, **{key: value})
        wrong = {**both, key: "my-network"}
        assert f"such as {key[9:-2].lower()}-0123456789abcdef0" in rule_of(tmp_path, key, **wrong)


@pytest.mark.parametrize(
    "cidr", ["0.0.0.0/0", "203.0.113.7", "203.0.113.7/24", "::/0", "home", 7, "1.2.3.4/7"]
)
def test_other_networks_are_refused(tmp_path: Path, cidr: object) -> None:
    values = {"simulatorKeyName": "my-key", "simulatorSshCidr": cidr}
    assert "must be an IPv4 network" in rule_of(tmp_path, "simulatorSshCidr", **values)


FLEET: dict[str, object] = {"coreName": None, "certificateId": None}


@pytest.mark.parametrize("name", ["shop-floor", "a-b_c", "7", "n" * 64])
def test_fleet_is_described_by_its_name_alone(tmp_path: Path, name: str) -> None:
    found = settings(tmp_path, **FLEET, fleetName=name)
    assert found.fleet_name == found.names.thing_group == name
    assert found.core_name == "*"
    assert found.certificate is found.certificate_signing_request is None


@pytest.mark.parametrize("name", ["", "shop floor", "a/b", "a:b", "größe", "-a", "n" * 65, 7])
def test_other_names_of_fleets_are_refused(tmp_path: Path, name: object) -> None:
    rule = rule_of(tmp_path, "fleetName", **FLEET, fleetName=name)
    assert rule.startswith("must be 1 to 64 letters, digits, hyphens or underscores")


def test_core_and_fleet_exclude_each_other(tmp_path: Path) -> None:
    fleet = {"fleetName": "shop-floor", "certificateId": None}
    assert rule_of(tmp_path, "fleetName", **fleet) == (
        "cannot be combined with coreName: leave one of the two out"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("certificateId", CERTIFICATE_ID),
        ("certificateSigningRequest", REQUEST),
        ("simulator", True),
    ],
)
def test_fleet_has_no_core_of_its_own(tmp_path: Path, key: str, value: object) -> None:
    given = {**FLEET, "fleetName": "shop-floor", key: str(value).lower()}
    assert rule_of(tmp_path, key, **given).startswith("cannot be combined with fleetName")


def test_thing_group_of_earlier_versions_names_its_successor(tmp_path: Path) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        settings(tmp_path, thingGroupName="shop-floor")
    (fault,) = caught.value.faults
    assert str(fault) == (
        "thingGroupName='shop-floor': was replaced by fleetName: a fleet has a stack of its own, "
        "without coreName (docs/migration.md), for example -c fleetName=shop-floor"
    )


@pytest.mark.parametrize(
    "key", ["0123-4567", "alias/mine", "arn:aws:kms:eu-west-1:123456789012:alias/mine", 7]
)
def test_key_of_kms_is_given_by_its_arn(tmp_path: Path, key: object) -> None:
    rule = rule_of(tmp_path, "kmsKeyArn", kmsKeyArn=key)
    assert rule == "must be the ARN of a key of AWS KMS, not its id or an alias"


def test_key_of_another_region_than_the_certificate_is_refused(tmp_path: Path) -> None:
    key = EXAMPLES["kmsKeyArn"]
    place = "arn:aws:iot:{}:123456789012:cert/" + CERTIFICATE_ID
    rule = rule_of(tmp_path, "kmsKeyArn", kmsKeyArn=key, certificateId=place.format("eu-central-1"))
    assert rule.startswith("must be in the Region of certificateId, eu-central-1")
    assert settings(tmp_path, kmsKeyArn=key, certificateId=place.format("us-east-1")).kms_key_arn


def test_certificate_of_the_examples_is_one(tmp_path: Path) -> None:
    assert settings(tmp_path, certificateId=CERTIFICATE_ID).certificate == CERTIFICATE_ID
