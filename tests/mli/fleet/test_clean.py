"""``mli clean``: what no core needs is deleted, and nothing that one needs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from mli import aws
from mli.fleet.removing.versions import cleaning_of, delete
from stacks import names
from tests.cloud.support import Stacks, publish_health, recipe
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.fleet import faults
from tests.mli.support import ACCOUNT, Commands, DeployedCore


@dataclass
class Artifacts:
    """A component's artifacts in a bucket, and versions that name them."""

    fleet: DeployedFleet
    bucket: str

    def version(self, number: str, *files: str) -> None:
        """Put files into the bucket, and create a version with them."""
        s3 = self.fleet.cloud.client("s3")
        for file in files:
            s3.put_object(Bucket=self.bucket, Key=f"{self.fleet.component}/{file}", Body=b"x")
        uris = [self.uri(file) for file in files]
        text = json.dumps(recipe(self.fleet.component, number, *uris)).encode()
        self.fleet.cloud.client("greengrassv2").create_component_version(inlineRecipe=text)

    def uri(self, file: str) -> str:
        return f"s3://{self.bucket}/{self.fleet.component}/{file}"

    def deploy(self, number: str, target: str = "") -> None:
        self.fleet.cloud.client("greengrassv2").create_deployment(
            targetArn=target or self.fleet.group_arn,
            components={self.fleet.component: {"componentVersion": number}},
        )

    def files(self) -> list[str]:
        """Return what the bucket still has of the component."""
        found = self.fleet.cloud.client("s3").list_objects_v2(Bucket=self.bucket)
        prefix = f"{self.fleet.component}/"
        return sorted(one["Key"].removeprefix(prefix) for one in found.get("Contents", []))

    def versions(self) -> list[str]:
        arn = f"{ACCOUNT.replace(':iot:', ':greengrass:')}:components:{self.fleet.component}"
        found = self.fleet.cloud.client("greengrassv2").list_component_versions(arn=arn)
        return sorted(one["componentVersion"] for one in found["componentVersions"])


@pytest.fixture
def artifacts(commands: Commands, fleet: DeployedFleet) -> Artifacts:
    """Five versions that share one file; the fleet has 1.0.0, and the newest is 1.5.0."""
    bucket = f"artifacts-{uuid.uuid4().hex[:8]}"
    fleet.cloud.client("s3").create_bucket(Bucket=bucket)
    made = Artifacts(fleet, bucket)
    for number in range(1, 6):
        made.version(f"1.{number}.0", "code.zip", f"model-{number}.tar.gz")
    return made


def test_versions_that_nothing_names_go_with_their_artifacts(
    commands: Commands, artifacts: Artifacts
) -> None:
    fleet = artifacts.fleet
    thing = f"{fleet.name}-elsewhere"
    fleet.cloud.client("iot").create_thing(thingName=thing)
    artifacts.deploy("1.2.0", f"{ACCOUNT}:thing/{thing}")
    core = {"componentName": fleet.component, "version": "1.3.0", "status": "RUNNING"}
    fleet.cloud.client("iot").create_thing(thingName=f"{fleet.name}-old_Core")
    publish_health(fleet.cloud, f"{fleet.name}-old_Core", {"components": [core]})
    before = (artifacts.files(), artifacts.versions())
    listed = commands.json("clean", fleet.name)
    assert (artifacts.files(), artifacts.versions()) == before
    assert listed["deleted"] is False
    assert sorted(listed["versions"]) == ["1.1.0", "1.4.0"]
    assert listed["kept"] == {
        "1.0.0": f"deployed to {fleet.name}",
        "1.2.0": f"deployed to {thing}",
        "1.3.0": f"installed on {fleet.name}-old_Core",
        "1.5.0": "the newest",
    }
    assert listed["objects"] == [artifacts.uri(f"model-{number}.tar.gz") for number in (1, 4)]
    said = commands.json("clean", fleet.name, "--yes")
    assert said["deleted"] is True
    assert artifacts.versions() == ["1.0.0", "1.2.0", "1.3.0", "1.5.0"]
    assert artifacts.files() == ["code.zip", *(f"model-{n}.tar.gz" for n in (2, 3, 5))]
    assert "there is nothing to delete" in commands.run("clean", fleet.name, "--yes")


def test_without_yes_a_person_reads_what_would_go(commands: Commands, artifacts: Artifacts) -> None:
    said = commands.run("clean", artifacts.fleet.name)
    assert f"kept: version 1.0.0, deployed to {artifacts.fleet.name}" in said
    assert f"old: {artifacts.uri('model-1.tar.gz')}" in said
    assert "nothing was deleted; add --yes" in said
    again = commands.run("clean", artifacts.fleet.name, "--yes", "--dry-run")
    assert "nothing was deleted" in again
    assert len(artifacts.versions()) == 6


def test_object_of_others_and_of_no_version_are_told_apart(
    commands: Commands, artifacts: Artifacts
) -> None:
    s3, component = artifacts.fleet.cloud.client("s3"), artifacts.fleet.component
    for key in (f"{component}/left-over.zip", f"{component}-2/other.zip", "unrelated"):
        s3.put_object(Bucket=artifacts.bucket, Key=key, Body=b"x")
    said = commands.json("clean", artifacts.fleet.name, "--yes")
    assert artifacts.uri("left-over.zip") in said["objects"]
    assert {f"{component}-2/other.zip", "unrelated"} <= set(artifacts.files())


def test_nothing_stays_of_a_fleet_whose_stack_and_deployments_are_gone(
    commands: Commands, artifacts: Artifacts
) -> None:
    fleet = artifacts.fleet
    commands.run("fleet", "retire", fleet.name, "--yes")
    Stacks(fleet.cloud).delete(names.fleet_stack_name(fleet.name))
    assert commands.json("clean", fleet.name, "--yes")["kept"] == {}
    assert (artifacts.files(), artifacts.versions()) == ([], [])
    assert f"there is no component {names.component_name(fleet.name)}" in commands.run(
        "clean", fleet.name, code=1
    )


def test_cleaning_continues_after_the_end_of_the_process_at_any_request(
    commands: Commands, artifacts: Artifacts
) -> None:
    of = aws.clients()

    def clean() -> None:
        component = artifacts.fleet.component
        delete(of, cleaning_of(of, component, has_stack=False), lambda text: None)

    ended = faults.until_done(clean, is_answered=True)
    assert {"DeleteObject", "DeleteComponent"} <= set(ended)
    assert (artifacts.files(), artifacts.versions()) == ([], ["1.0.0"])


def test_core_s_own_component_is_cleaned_by_the_core_s_name(
    commands: Commands, core: DeployedCore
) -> None:
    text = json.dumps(recipe(core.component, "0.2.0")).encode()  # a digest: it does not grow
    greengrass = core.cloud.client("greengrassv2")
    greengrass.create_component_version(inlineRecipe=text)
    said: Mapping[str, Any] = commands.json("clean", core.name)
    assert said["kept"] == {"1.0.0": f"deployed to {core.thing}", "0.2.0": "the newest"}


@pytest.mark.parametrize("before", [[], ["UPDATE_COMPLETE"]])
def test_stack_that_is_being_deployed_is_waited_for(
    commands: Commands, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, before: list[str]
) -> None:
    """Also if that begins while the command asks what is needed."""
    states = iter([*before, "UPDATE_IN_PROGRESS"])

    class Deploying:
        def describe_stacks(self, **request: str) -> dict[str, Any]:
            return {"Stacks": [{"StackStatus": next(states)}]}

        exceptions = aws.client("cloudformation").exceptions

    inner = aws.clients()
    given = {"cloudformation": Deploying()}
    monkeypatch.setattr(
        "mli.fleet.removing.clean.clients",
        lambda *place: lambda name: given.get(name) or inner(name),
    )
    said = commands.run("clean", artifacts.fleet.name, "--yes", code=1)
    assert "is UPDATE_IN_PROGRESS: repeat this when it is done" in said
    assert len(artifacts.versions()) == 6
