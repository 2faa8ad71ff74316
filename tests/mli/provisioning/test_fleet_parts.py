"""The parts of ``fleet``: the list, the journal, the pattern's policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from local_core.cloud.api import service_model
from mli.device.core_stack import CoreStack
from mli.device.keyfiles import load_request
from mli.errors import MliError
from mli.fleet.core_list import read_list
from mli.fleet.journal import Journal
from mli.fleet.pattern import Pattern, rename
from tests.mli.provisioning.support import ACCOUNT
from tests.stacks.configurations import template
from tests.stacks.synthesis import all_of, resolved


def test_journal_of_another_fleet_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file, {"group": "a", "place": "us-east-1:1"}):
        pass
    with pytest.raises(MliError, match="place was us-east-1:1, now eu-west-1:1"):
        Journal(file, {"group": "a", "place": "eu-west-1:1"})


def test_list_is_checked_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "cores.csv"
    file.write_text("coreName,certificateSigningRequest\nok,\n../x,\nOK,\nb,missing.csr\n")
    with pytest.raises(MliError) as refused:
        read_list(file)
    said = str(refused.value)
    assert "line 3: coreName='../x' must be" in said
    assert "line 4: coreName='OK' is already in line 2" in said
    assert "line 5: certificateSigningRequest='missing.csr': No such file" in said


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("c.csv", "core\na\n", "unknown key; did you mean coreName?"),
        ("c.csv", "coreName\n", "no cores"),
        ("c.csv", "coreName\na,b\n", "more values than line 1"),
        ("c.yaml", "- coreName: a\n  attributes: hall\n", "attributes is not an object"),
        ("c.csv", "coreName,attribute.x\na,ä ö\n", "only letters"),
        ("c.yaml", "cores: 3\n", "not a list of cores"),
        ("c.yaml", "- [a]\n", "neither a name nor an object"),
        ("c.yaml", "{", "is not YAML"),
    ],
)
def test_list_that_cannot_be_read(tmp_path: Path, name: str, text: str, fault: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(MliError, match=fault):
        read_list(tmp_path / name)


def test_faults_of_all_kinds_are_reported_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "weak.csr").write_bytes(_request(rsa.generate_private_key(65537, 1024)))
    (tmp_path / "c.csv").write_text(
        "coreName,certificateSigningRequest,color\na,,,extra\n../x,,\na,weak.csr,\nDemo,,red\n"
    )
    with pytest.raises(MliError) as refused:
        read_list(tmp_path / "c.csv", pattern="Demo")
    for fault in (
        "line 2: has more values than line 1",
        "line 3: coreName='../x' must be",
        "line 4: certificateSigningRequest='weak.csr': the key of",
        "line 4: coreName='a' is already in line 2",
        "line 5: color='red'",
        "line 5: coreName='Demo' is the pattern",
    ):
        assert fault in str(refused.value)
    (tmp_path / "c.yaml").write_text("- [a]\n- coreName: b\n  attributes: {x: ä ö}\n- ../x\n")
    with pytest.raises(MliError) as refused:
        read_list(tmp_path / "c.yaml")
    for fault in ("core 1: is neither a name", "core 2: attribute.x='ä ö'", "core 3: coreName="):
        assert fault in str(refused.value)


def test_key_of_two_cores_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.csr").write_bytes(_request(ec.generate_private_key(ec.SECP256R1())))
    (tmp_path / "c.csv").write_text("coreName,certificateSigningRequest\na,one.csr\nb,one.csr\n")
    with pytest.raises(MliError, match=r"line 3: .* is for the key of line 2"):
        read_list(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
        (rsa.generate_private_key(65537, 1024), "RSA with 1024 bits"),
        (ec.generate_private_key(ec.SECP256K1()), "EC on the curve secp256k1"),
        (rsa.generate_private_key(65537, 2048), None),
        (rsa.generate_private_key(65537, 3072), None),
        (ec.generate_private_key(ec.SECP256R1()), None),
        (ec.generate_private_key(ec.SECP384R1()), None),
        (ec.generate_private_key(ec.SECP521R1()), None),
    ],
)
def test_request_is_for_a_key_that_aws_iot_takes(key: Any, kind: str | None) -> None:
    if kind is None:
        load_request(_request(key), "x.csr")
        return
    with pytest.raises(MliError, match=rf"the key of x.csr is {kind}, which AWS IoT does not take"):
        load_request(_request(key), "x.csr")


def _request(key: Any) -> bytes:
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, digest).public_bytes(serialization.Encoding.PEM)


def test_yaml_may_be_names_alone(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("- a\n- coreName: b\n  attributes: {hall: 7}\n")
    first, second = read_list(tmp_path / "c.yaml")
    assert (first.name, second.name, second.attributes) == ("a", "b", {"hall": "7"})


def test_policy_of_another_core_names_nothing_of_the_patterns() -> None:
    """With the documents of the real stack, as its snapshot has them."""
    resources = [
        f"{ACCOUNT}:client/Demo_Core*",
        f"{ACCOUNT}:topic/$aws/things/Demo_Core*/jobs/*",
        f"{ACCOUNT}:topicfilter/$aws/things/Demo_Core*/shadow/*",
        f"{ACCOUNT}:topic/mli/predictions/Demo",
        f"{ACCOUNT}:topic/mli/telemetry/Demo",
        f"{ACCOUNT}:topic/feedback/message/status",
        f"{ACCOUNT}:rolealias/Demo_CoreRoleAlias",
        "*",
    ]
    document = {"Version": "2012-10-17", "Statement": [{"Action": ["x"], "Resource": resources}]}
    [statement] = rename(document, "Demo", "X-1")["Statement"]
    assert statement["Resource"] == [
        f"{ACCOUNT}:client/X-1_Core*",
        f"{ACCOUNT}:topic/$aws/things/X-1_Core*/jobs/*",
        f"{ACCOUNT}:topicfilter/$aws/things/X-1_Core*/shadow/*",
        f"{ACCOUNT}:topic/mli/predictions/X-1",
        f"{ACCOUNT}:topic/mli/telemetry/X-1",
        f"{ACCOUNT}:topic/feedback/message/status",
        f"{ACCOUNT}:rolealias/Demo_CoreRoleAlias",
        "*",
    ]


def test_command_would_deploy_to_a_group_just_what_the_stack_does() -> None:
    """With both deployments of the real template, as CloudFormation would ask for them."""
    core, of_stack = _deployments()
    pattern = Pattern(CoreStack("Demo", "us-east-1", {}), {}, core)
    of_command = pattern.group_deployment(of_stack["targetArn"], "shop-floor")
    assert of_command["components"].keys() == {"DlrInference.Demo"}
    assert _read(of_command) == _read(of_stack)


def test_deployment_that_no_core_with_nucleus_lite_can_read_is_refused() -> None:
    core, of_stack = _deployments()
    update = core["components"]["DlrInference.Demo"]["configurationUpdate"]
    update["merge"] = json.dumps({"coreName": "Demo", "classes": ["person"] * 400})
    pattern = Pattern(CoreStack("Demo", "us-east-1", {}), {}, core)
    with pytest.raises(MliError, match=r"shop-floor has [45],\d{3} bytes, .* accepts 3,286"):
        pattern.group_deployment(of_stack["targetArn"], "shop-floor")


def _deployments() -> tuple[dict[str, Any], dict[str, Any]]:
    """The core's and the group's, as requests of the API."""
    shape = service_model.load("greengrassv2").operation_model("CreateDeployment").input_shape
    found = {
        str(properties["TargetArn"]): service_model.from_template(shape, properties)
        for properties in resolved(
            all_of(template("v2-thing-group"), "AWS::GreengrassV2::Deployment")
        )
    }
    return found["<Group.Arn>"], found["<FleetGroup.Arn>"]


def _read(request: dict[str, Any]) -> dict[str, Any]:
    """A request whose configurations are read, so that only their content counts."""
    (component,) = request["components"].values()
    merge = json.loads(component["configurationUpdate"]["merge"])
    return {**request, "components": {**component, "configurationUpdate": {"merge": merge}}}
