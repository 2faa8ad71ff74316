"""A V2 core with nucleus lite, which takes jobs only and restarts at every deployment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_core.nucleus.dialect import LITE
from stacks.names import component_name
from tests.e2e.rig import Rig
from tests.waiting import eventually

GENERATION, NUCLEUS, CORE = 2, LITE, "E2E-Lite"
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def nothing_left(module_rig: Rig) -> Iterator[None]:
    """Other tests share the cloud, and look at what there is."""
    yield
    module_rig.stop()
    module_rig.destroy()
    greengrass = module_rig.client("greengrassv2")
    arn = f"arn:aws:greengrass:us-east-1:000000000000:components:{component_name(CORE)}"
    for version in greengrass.list_component_versions(arn=arn)["componentVersions"]:
        greengrass.delete_component(arn=version["arn"])


def test_stack_s_deployment_arrives_and_the_next_one_starts_a_new_process(rig: Rig) -> None:
    assert rig.first_verdict == ("SUCCEEDED", "SUCCESSFUL")
    device = rig.client("greengrassv2").get_core_device(coreDeviceThingName=rig.thing)
    assert (device["status"], device["runtime"]) == ("HEALTHY", "aws_nucleus_lite")
    assert min(_scores(rig)) < 0.9
    before = rig.processes()
    rig.deploy(confidenceThreshold="0.9")
    assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    assert min(_scores(rig)) >= 0.9
    eventually(lambda: len(rig.processes()) == 1)
    assert not rig.processes() & before


def _scores(rig: Rig) -> list[float]:
    return [float(one["confidence"]) for found in rig.next_predictions() for one in found]
