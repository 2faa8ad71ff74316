"""A command that is refused leaves nothing: no file, no folder, nothing in AWS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_core.cloud import LocalCloud
from mli.listings import principals
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import Commands, DeployedCore

EMPTY_POLICY = '{"Version": "2012-10-17", "Statement": []}'


def _files() -> set[str]:
    return {str(file) for file in Path().rglob("*")}


def _certificates(fleet: DeployedFleet) -> set[str]:
    pages = fleet.cloud.client("iot").get_paginator("list_certificates").paginate(pageSize=250)
    return {str(one["certificateId"]) for page in pages for one in page["certificates"]}


@pytest.fixture(scope="module")
def fleet(cloud: LocalCloud) -> DeployedFleet:
    """A fleet's stack that all tests here share: they leave nothing in it."""
    made = DeployedFleet.deployed(cloud)
    policy = names.claim_policy_name(made.name)
    cloud.client("iot").create_policy(policyName=policy, policyDocument=EMPTY_POLICY)
    return made


def _new_name(fleet: DeployedFleet) -> str:
    return f"{fleet.name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def certified(fleet: DeployedFleet) -> str:
    """A core whose thing and certificate are somebody else's."""
    iot, core = fleet.cloud.client("iot"), _new_name(fleet)
    iot.create_thing(thingName=names.thing_name(core))
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_thing_principal(thingName=names.thing_name(core), principal=made["certificateArn"])
    return core


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        ("fleet rotate CORE --finish --seen", 1, "no rotation of"),
        ("fleet rotate CORE --finish --settle 0", 1, "no rotation of"),
        ("fleet rotate CORE --cancel", 1, "no rotation of"),
        ("fleet rotate CORE --seen", 2, "--seen goes with --finish"),
        ("fleet rotate CORE --finish --request noise", 2, "remove --finish and --cancel"),
        ("fleet rotate CORE --request noise", 1, "is not a certificate signing request"),
        ("fleet rotate CORE --root-ca noise", 2, "is not a certificate in PEM"),
        ("fleet rotate MEMBER", 1, "has no certificate to replace"),
        ("fleet remove FLEET nobody --yes", 1, "is not in the fleet"),
        ("fleet import nobody --fleet FLEET", 1, "there is no thing nobody_Core"),
        ("fleet import CORE --fleet FLEET --root-ca noise", 2, "is not a certificate in PEM"),
        ("fleet add cores.csv --fleet FLEET", 1, "with a certificate, which fleet/"),
        ("fleet add cores.csv --fleet FLEET --root-ca noise", 2, "is not a certificate in PEM"),
        ("fleet claim FLEET --root-ca noise", 2, "is not a certificate in PEM"),
        ("fleet claim FLEET --output noise", 1, "noise is not an archive of this command"),
        ("fleet claim FLEET --new --output noise", 1, "noise is not an archive of this command"),
        ("certificate Demo --root-ca noise", 2, "is not a certificate in PEM"),
    ],
)
def test_refused_command_leaves_nothing(
    commands: Commands, fleet: DeployedFleet, certified: str, words: str, code: int, fault: str
) -> None:
    iot, member = fleet.cloud.client("iot"), _new_name(fleet)
    if "CORE" in words and "import" not in words:
        iot.add_thing_to_thing_group(
            thingGroupName=fleet.name, thingName=names.thing_name(certified)
        )
    if "MEMBER" in words:
        fleet.add(member)
    Path("cores.csv").write_text(f"coreName\n{certified}\n")
    Path("noise").write_text("noise\n")
    given = {"CORE": certified, "FLEET": fleet.name, "MEMBER": member}
    files, before = _files(), _certificates(fleet)
    said = commands.run(*(given.get(word, word) for word in words.split()), code=code)
    assert fault in said
    assert _files() == files
    assert _certificates(fleet) == before
    assert len(principals(iot, names.thing_name(certified))) == 1


@pytest.mark.parametrize("kind", ["CorePolicy", "PublishPolicy"])
@pytest.mark.parametrize("command", ["add", "import"])
def test_policy_of_another_core_is_seen_before_anything_is_created(
    commands: Commands, fleet: DeployedFleet, certified: str, command: str, kind: str
) -> None:
    iot = fleet.cloud.client("iot")
    core = certified if command == "import" else _new_name(fleet)
    iot.create_policy(policyName=f"{core}_{kind}", policyDocument=EMPTY_POLICY)
    Path("cores.csv").write_text(f"coreName\n{core}\n")
    files, before = _files(), _certificates(fleet)
    said = commands.run("fleet", command, "cores.csv", "--fleet", fleet.name, code=1)
    assert f"there is another policy {core}_{kind}: choose another coreName" in said
    assert (_files(), _certificates(fleet)) == (files, before)
    policies = iot.get_paginator("list_policies").paginate()
    listed = {one["policyName"] for page in policies for one in page["policies"]}
    assert {name for name in listed if name.startswith(f"{core}_")} == {f"{core}_{kind}"}
    if command == "add":
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.describe_thing(thingName=names.thing_name(core))


def test_thing_of_a_core_with_a_stack_of_its_own_gets_no_second_certificate(
    commands: Commands, fleet: DeployedFleet, core: DeployedCore
) -> None:
    core.attach_id(commands.json("certificate", core.name)["certificateId"])
    iot = fleet.cloud.client("iot")
    before = principals(iot, core.thing)
    Path("cores.csv").write_text(f"coreName\n{core.name}\n")
    commands.run("fleet", "add", "cores.csv", "--fleet", fleet.name, code=1)
    assert principals(iot, core.thing) == before


@pytest.fixture
def without_credentials(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    yield


@pytest.mark.parametrize("folder", ["certs/Demo", "some/where/else"])
def test_certificate_without_credentials_leaves_no_folder(
    commands: Commands, without_credentials: None, folder: str
) -> None:
    commands.run("certificate", "Demo", "--folder", folder, code=1)
    assert _files() == set()
    Path("certs").mkdir()
    commands.run("certificate", "Demo", "--folder", folder, code=1)
    assert _files() == {"certs"}


def test_certificate_for_watching_is_not_created_beside_another_policy(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, name = fleet.cloud.client("iot"), _new_name(fleet)
    iot.create_policy(policyName=f"{name}_Watch", policyDocument=EMPTY_POLICY)
    before = _certificates(fleet)
    said = commands.run("certificate", name, "--watch", code=1)
    assert f"there is another policy {name}_Watch: choose another NAME" in said
    assert _files() == set()
    assert _certificates(fleet) == before
    assert json.loads(iot.get_policy(policyName=f"{name}_Watch")["policyDocument"]) == json.loads(
        EMPTY_POLICY
    )
    again: dict[str, Any] = commands.json("certificate", f"{name}-2", "--watch")
    assert commands.json("certificate", f"{name}-2", "--watch")["made"] is False
    assert again["made"]
