"""Settings that the page changes: in the cloud's API, and until the core reports them."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from inference.feedback.configuration import default_configuration
from inference.settings import InferenceSettings
from local_core.cloud import LocalCloud
from mli.device.deployments.reconfigure import MARK
from mli.errors import MliError
from mli.view.controls import NO_CREDENTIALS, ChangeRefusedError, Controls
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import DeployedCore, refusal
from tests.waiting import eventually

ALL = [one.id for one in default_configuration().all]
CONFIGURED = {
    "imageSource": "static",
    "feedbackConfiguration": default_configuration("bucket").to_json(),
}


def deploy(cloud: LocalCloud, target: str, component: str, **merge: Any) -> None:
    """Create a deployment as `cdk deploy` does."""
    update = {"reset": [""], "merge": json.dumps(merge)}
    cloud.client("greengrassv2").create_deployment(
        targetArn=target,
        deploymentName="of-the-stack",
        components={component: {"componentVersion": "1.0.0", "configurationUpdate": update}},
    )


def merged(cloud: LocalCloud, target: str, component: str) -> dict[str, Any]:
    """Return the configuration in the latest deployment."""
    greengrass = cloud.client("greengrassv2")
    [latest] = greengrass.list_deployments(targetArn=target)["deployments"]
    content = greengrass.get_deployment(deploymentId=latest["deploymentId"])
    update = content["components"][component]["configurationUpdate"]
    assert update["reset"] == [""]
    found: dict[str, Any] = json.loads(update["merge"])
    return found


def settled(controls: Controls, name: str, reported: str | None = None) -> dict[str, Any]:
    """Return the state once the deployment was read."""
    eventually(lambda: controls.state(name, reported)["reason"] is None)
    return controls.state(name, reported)


@pytest.fixture
def clients(cloud: LocalCloud) -> Callable[[str], Any]:
    return functools.cache(cloud.client)


@pytest.fixture
def used() -> dict[str, Any]:
    return {}


@pytest.fixture
def controls(clients: Callable[[str], Any], used: dict[str, Any]) -> Iterator[Controls]:
    made = Controls(clients, used.__setitem__)
    yield made
    made.close()


def test_a_change_is_pending_until_the_core_reports_its_digest(
    cloud: LocalCloud, core: DeployedCore, controls: Controls, used: dict[str, Any]
) -> None:
    deploy(cloud, core.thing_arn, core.component, coreName=core.name, **CONFIGURED)
    shown = settled(controls, core.name)
    assert (shown["threshold"], shown["confirm"], shown["change"]) == (None, False, None)
    assert shown["whom"] == f"the core {core.name}"
    assert [(one["id"], one["on"]) for one in shown["strategies"]] == [(n, True) for n in ALL]
    assert used[core.name] == default_configuration("bucket")

    controls.apply(core.name, shown["base"], 0.35, ALL[:1])
    merge = merged(cloud, core.thing_arn, core.component)
    assert merge["confidenceThreshold"] == 0.35
    assert merge["imageSource"] == "static"
    assert list(merge["feedbackConfiguration"]) == ALL[:1]
    changed = controls.state(core.name, shown["digest"])
    assert changed["change"]["state"] == "pending"
    assert (changed["threshold"], changed["digest"]) != (None, shown["digest"])
    assert [one["on"] for one in changed["strategies"]] == [True, False, False]
    with pytest.raises(ChangeRefusedError, match="still under way"):
        controls.apply(core.name, changed["base"], 0.5, ALL)

    digest = InferenceSettings.from_configuration(merge).digest()
    assert controls.state(core.name, digest)["change"] == {"state": "done", "text": "in use"}


def test_what_was_switched_off_is_found_again_by_another_page(
    cloud: LocalCloud, core: DeployedCore, clients: Callable[[str], Any], controls: Controls
) -> None:
    deploy(cloud, core.thing_arn, core.component, coreName=core.name, **CONFIGURED)
    for on in (ALL[1:], []):
        shown = settled(controls, core.name)
        controls.apply(core.name, shown["base"], None, on)
        digest = controls.state(core.name, None)["digest"]
        assert controls.state(core.name, digest)["change"]["state"] == "done"
    assert "feedbackConfiguration" not in merged(cloud, core.thing_arn, core.component)
    other = Controls(clients)
    shown = settled(other, core.name)
    assert [(one["id"], one["on"]) for one in shown["strategies"]] == [(n, False) for n in ALL]
    other.apply(core.name, shown["base"], None, ALL)
    merge = merged(cloud, core.thing_arn, core.component)
    assert merge["feedbackConfiguration"] == CONFIGURED["feedbackConfiguration"]
    other.close()
    # What the stack itself deploys later is all there is.
    deploy(cloud, core.thing_arn, core.component, coreName=core.name)
    third = Controls(clients)
    assert settled(third, core.name)["strategies"] == []


def test_a_change_that_the_core_refuses_is_shown(
    cloud: LocalCloud, core: DeployedCore, controls: Controls
) -> None:
    deploy(cloud, core.thing_arn, core.component, coreName=core.name, **CONFIGURED)
    shown = settled(controls, core.name)
    controls.apply(core.name, shown["base"], 0.9, ALL)
    core.report("FAILED", "no disk space")
    change = eventually(
        lambda: (c := controls.state(core.name, None)["change"])["state"] == "failed" and c
    )
    assert "no disk space" in change["text"]
    # It may be repeated, and the core may then report the settings after all.
    merge = merged(cloud, core.thing_arn, core.component)
    digest = InferenceSettings.from_configuration(merge).digest()
    assert controls.state(core.name, digest)["change"]["state"] == "done"
    controls.apply(core.name, controls.state(core.name, None)["base"], 0.8, ALL)


def test_a_change_is_followed_through_an_interruption(
    cloud: LocalCloud, core: DeployedCore, clients: Callable[[str], Any]
) -> None:
    is_broken = threading.Event()

    def sometimes(service: str) -> Any:
        if is_broken.is_set() and threading.current_thread().name == "controls":
            raise ConnectionError("no network")
        return clients(service)

    deploy(cloud, core.thing_arn, core.component, coreName=core.name, **CONFIGURED)
    followed = Controls(sometimes)
    shown = settled(followed, core.name)
    followed.apply(core.name, shown["base"], 0.9, ALL)

    def change() -> dict[str, str]:
        found: dict[str, str] = followed.state(core.name, None)["change"]
        return found

    eventually(lambda: change()["text"] == "waiting for the core")
    is_broken.set()
    eventually(lambda: "no network" in change()["text"])
    assert change()["state"] == "pending"
    is_broken.clear()
    core.report("FAILED", "no disk space")
    eventually(lambda: change()["state"] == "failed")
    followed.close()


def test_a_fleet_says_how_many_cores_change(
    cloud: LocalCloud, fleet: DeployedFleet, controls: Controls
) -> None:
    for name in (one := f"{fleet.name}-a", f"{fleet.name}-b"):
        fleet.add(name)
    deploy(cloud, fleet.group_arn, fleet.component, coreName="*", **CONFIGURED)
    shown = settled(controls, one)
    assert shown["whom"] == f"2 cores of the fleet {fleet.name}"
    assert shown["confirm"] is True
    controls.apply(one, shown["base"], 0.25, ALL)
    merge = merged(cloud, fleet.group_arn, fleet.component)
    assert (merge["coreName"], merge["confidenceThreshold"]) == ("*", 0.25)


def test_a_deployment_of_someone_else_is_not_overwritten(
    cloud: LocalCloud, core: DeployedCore, controls: Controls
) -> None:
    deploy(cloud, core.thing_arn, core.component, coreName=core.name, **CONFIGURED)
    shown = settled(controls, core.name)
    deploy(cloud, core.thing_arn, core.component, coreName=core.name, topK=1, **CONFIGURED)
    with pytest.raises(ChangeRefusedError, match="someone has deployed meanwhile"):
        controls.apply(core.name, shown["base"], 0.5, ALL)
    assert "confidenceThreshold" not in merged(cloud, core.thing_arn, core.component)


@pytest.mark.parametrize(
    ("threshold", "on", "reason"),
    [(2, ALL, "from 0 to 1"), (True, ALL, "from 0 to 1"), ("0.5", ALL, "from 0 to 1"),
     (float("nan"), ALL, "from 0 to 1"), (0.5, ["Mine"], "no feedback configuration Mine"),
     (0.5, "LC50", "list of ids"), (0.5, [{}], "list of ids"), (None, ALL, "already")],
)  # fmt: skip
def test_a_bad_value_is_refused_before_anything_is_deployed(
    cloud: LocalCloud, core: DeployedCore, controls: Controls, threshold: Any, on: Any, reason: str
) -> None:
    deploy(cloud, core.thing_arn, core.component, coreName=core.name, **CONFIGURED)
    shown = settled(controls, core.name)
    before = core.latest_deployment()
    with pytest.raises(ChangeRefusedError, match=reason):
        controls.apply(core.name, shown["base"], threshold, on)
    assert core.latest_deployment() == before


def test_what_cannot_be_changed_says_why(
    cloud: LocalCloud, group_core: DeployedCore, controls: Controls
) -> None:
    assert Controls(None).state("Any", None) == {"reason": NO_CREDENTIALS}
    with pytest.raises(ChangeRefusedError, match="AWS credentials"):
        Controls(None).apply("Any", "", 0.5, [])
    for name, text in ((group_core.name, "Greengrass V1"), ("Nowhere", "there is no stack")):
        eventually(lambda n=name, t=text: t in controls.state(n, None)["reason"])  # type: ignore[misc]


def test_a_refusal_of_aws_names_the_permission(cloud: LocalCloud, core: DeployedCore) -> None:
    deploy(cloud, core.thing_arn, core.component, coreName=core.name, **CONFIGURED)
    denied = cloud.client("greengrassv2", config=Config())  # one of its own
    denied.meta.events.register(
        "before-send.greengrassv2.CreateDeployment",
        refusal("AccessDeniedException", "not authorized to perform: greengrass:CreateDeployment"),
    )
    clients = functools.cache(lambda name: denied if name == "greengrassv2" else cloud.client(name))
    controls = Controls(clients)
    shown = settled(controls, core.name)
    with pytest.raises(ChangeRefusedError, match="greengrass:CreateDeployment"):
        controls.apply(core.name, shown["base"], 0.5, ALL)
    assert controls.state(core.name, None)["change"] is None


def test_the_marked_name_is_one_that_greengrass_accepts() -> None:
    model = boto3.client("greengrassv2", region_name="us-east-1").meta.service_model
    shape = model.operation_model("CreateDeployment").input_shape.members["deploymentName"]
    longest = names.stack_name("n" * 64) + MARK
    assert len(longest) <= shape.metadata.get("max", 256)
    assert issubclass(ChangeRefusedError, MliError)
