"""What ``mli fleet add --dry-run`` says, and that it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.client
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stacks import names
from tests.mli.deployed_fleet import DeployedFleet, listed
from tests.mli.fleet.faults import faulty
from tests.mli.support import Commands, refusal


def test_dry_run_makes_nothing(commands: Commands, fleet: DeployedFleet, cores: list[str]) -> None:
    said = commands.json("fleet", listed(cores), "--fleet", fleet.name, "--dry-run")
    assert said["components"] == {fleet.component: "1.0.0"}
    assert said["done"] == dict.fromkeys(cores, "created")
    members = fleet.cloud.client("iot").list_things_in_thing_group(thingGroupName=fleet.name)
    assert members["things"] == []
    assert not Path("fleet").exists()


def test_dry_run_says_what_would_be_done_and_refused_and_asks_only(
    commands: Commands, fleet: DeployedFleet, cores: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    iot, (done, begun, new), options = fleet.cloud.client("iot"), cores, ("--fleet", fleet.name)
    foreign = [f"{fleet.name}-{name}" for name in ("certified", "policy", "attributes")]
    with monkeypatch.context() as patched:
        refused = refusal("InvalidRequestException", "no")
        faulty(patched, "iot.AttachPolicy", refused, after=2)
        commands.run("fleet", listed([done, begun]), *options, "--workers", "1", code=1)
    hall = {"attributes": {"hall": "north"}}
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.create_thing(thingName=names.thing_name(foreign[0]), attributePayload=hall)
    iot.attach_thing_principal(
        thingName=names.thing_name(foreign[0]), principal=made["certificateArn"]
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    iot.create_policy(policyName=f"{foreign[1]}_CorePolicy", policyDocument=document)
    iot.create_thing(thingName=names.thing_name(foreign[2]))
    file, journal = listed([*cores, *foreign]), Path("fleet") / fleet.name / "journal.jsonl"
    before, called = journal.read_bytes(), set[str]()
    _note_calls(monkeypatch, called)
    said = commands.json("fleet", "add", file, *options, "--dry-run", code=1)
    assert said["done"] == {done: "unchanged", begun: "updated", new: "created"}
    faults = said["failed"]
    assert f"`mli fleet import {foreign[0]} --fleet {fleet.name}` takes it in" in faults[foreign[0]]
    assert f"there is another policy {foreign[1]}_CorePolicy" in faults[foreign[1]]
    assert "with other attributes" in faults[foreign[2]]
    assert {name for name in called if not name.startswith(("Describe", "Get", "List"))} == set()
    assert journal.read_bytes() == before
    text = commands.run("fleet", "add", file, *options, "--dry-run", code=1)
    assert "3 of 6 cores could be added, 3 failed, 0 not begun" in text
    for line in (f"  created: {new}", f"  updated: {begun}", f"  unchanged: {done}"):
        assert f"{line}\n" in text
    really = commands.json("fleet", "add", file, *options, code=1)
    assert really["failed"] == faults


def _note_calls(monkeypatch: pytest.MonkeyPatch, called: set[str]) -> None:
    """Note the name of each operation that is called of AWS."""
    call = botocore.client.BaseClient._make_api_call

    def noted(client: Any, operation: str, request: dict[str, Any]) -> Any:
        called.add(operation)
        return call(client, operation, request)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", noted)


def test_dry_run_refuses_what_files_of_a_core_contradict(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    core, other = cores[:2]
    options = ("--fleet", fleet.name)
    commands.run("fleet", listed([core]), *options)
    folder = Path("fleet") / fleet.name
    (folder / core / "device.pem.crt").rename("away.crt")
    (folder / other).mkdir()
    (folder / other / "private.pem.key").write_text("a key")
    (folder / other / "device.csr").write_text("a request")
    Path("cores.csv").write_text(f"coreName,attribute.hall\n{core},south\n{other},north\n")
    said = commands.json("fleet", "cores.csv", *options, "--dry-run", code=1)
    assert "device.pem.crt is missing, but the journal has its certificate" in said["failed"][core]
    assert "private.pem.key has no certificate: move it away" in said["failed"][other]
    Path("away.crt").rename(folder / core / "device.pem.crt")
    said = commands.json("fleet", "cores.csv", *options, "--dry-run", code=1)
    assert "with other attributes" in said["failed"][core]


def test_what_a_dry_run_refuses_of_cores_that_were_begun_is_refused_before_anything_changes(
    commands: Commands, fleet: DeployedFleet, cores: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other_policy, moved, foreign_key = cores
    options = ("--fleet", fleet.name)
    commands.run("fleet", listed([moved]), *options)
    with monkeypatch.context() as patched:
        faulty(patched, "iot.CreateThing", refusal("InvalidRequestException", "no"), after=0)
        commands.run("fleet", listed([other_policy, foreign_key]), *options, code=1)
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    fleet.cloud.client("iot").create_policy(
        policyName=f"{other_policy}_PublishPolicy", policyDocument=document
    )
    key = ec.generate_private_key(ec.SECP256R1())
    (Path("fleet") / fleet.name / foreign_key / "private.pem.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    lines = (f"{other_policy},", f"{moved},south", f"{foreign_key},")
    Path("cores.csv").write_text("\n".join(("coreName,attribute.hall", *lines)))
    called = set[str]()
    _note_calls(monkeypatch, called)
    said = commands.json("fleet", "cores.csv", *options, "--dry-run", code=1)
    assert commands.json("fleet", "cores.csv", *options, code=1)["failed"] == said["failed"]
    assert f"there is another policy {other_policy}_PublishPolicy" in said["failed"][other_policy]
    assert "with other attributes" in said["failed"][moved]
    assert "key and certificate do not belong together" in said["failed"][foreign_key]
    assert {name for name in called if not name.startswith(("Describe", "Get", "List"))} == set()
