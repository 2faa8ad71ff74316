"""The stack of a fleet, its only core, and devices that come by themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference import names
from inference.model.engines.runnable import DLR
from local_core.archives.claim import ClaimArchive
from local_core.archives.setup import SetupArchive
from local_core.cloud import LocalCloud
from local_core.device.setup import CoreConfiguration
from local_core.device.v2.core import V2Device
from local_core.device.watcher import Received, Watcher
from local_core.processes.cdk import REPOSITORY
from local_core.run.shared_cloud import SharedCloud
from mli.fleet.core import ARCHIVE
from stacks.names import fleet_component_name, fleet_stack_name, thing_name
from tests import environments
from tests.cloud.support import Stacks
from tests.e2e import assembly
from tests.e2e.rig import MODEL, SECONDS, Verdicts
from tests.waiting import eventually

FLEET, CORE, OTHER = "e2e-fleet", "E2E-Press", "E2E-Hall"
CLAIMED = "E2E-Claimed"
STACK = fleet_stack_name(FLEET)
GROUP_ARN = f"arn:aws:iot:us-east-1:000000000000:thinggroup/{FLEET}"


class Fleet:
    """The stack of a fleet, and a folder with its only core."""

    def __init__(self, shared: SharedCloud, watcher: Watcher, folder: Path, model: str) -> None:
        self.shared = shared
        self.watcher = watcher
        self.folder = folder
        self.context = {
            "fleetName": FLEET,
            "modelS3Uri": model,
            "modelProfile": MODEL,
            "imageSource": "static",
            "inferenceInterval": "0.4",
            "feedbackRateLimit": "0",
        }
        self.list = folder / "cores.csv"
        self.list.write_text(f"coreName\n{CORE}\n")
        self.verdicts = Verdicts()
        self.first_verdict = ("", "")
        """The one on the core's first deployment."""
        self.device: V2Device | None = None
        self.outputs: Mapping[str, str] = {}
        self._by_cli = True
        self._deployed: dict[str, str] | None = None
        """What the last deployment changed in the context; None before the first."""
        self._before = len(watcher.messages)

    @property
    def cloud(self) -> LocalCloud:
        return self.shared.cloud

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    def deploy(self, **changes: str) -> None:
        """Deploy the fleet, the first time by the CLI.

        Raises:
            StackError: with CloudFormation's reasons.
        """
        context, deployer = {**self.context, **changes}, self.shared.deployer()
        by_cli, self._by_cli, self._deployed = self._by_cli, False, changes
        if by_cli:
            deployer.deploy(context)
        else:
            assembly.deploy(self.shared, context)
        self.outputs = deployer.outputs(STACK)

    def destroy(self) -> None:
        """Delete the fleet's stack.

        Raises:
            StackError: with CloudFormation's reasons.
        """
        Stacks(self.cloud).delete(STACK)

    def lift_protection(self) -> None:
        """Let the stack be deleted, as `mli fleet retire` does when the fleet has no cores."""
        self.client("cloudformation").update_termination_protection(
            StackName=STACK, EnableTerminationProtection=False
        )

    def ensure_deployed(self) -> None:
        """Deploy the fleet as the user's context has it, if it is not so already."""
        if self._deployed == {}:
            return
        self.deploy()
        if self.device is not None:
            self.verdicts.next()

    def ensure_running(self) -> None:
        """Bring fleet and core to a known state, whatever an earlier test has left."""
        self.ensure_deployed()
        if self.device is None:
            self.command()
            self.start()
            self.first_verdict = self.verdicts.next()

    def command(self) -> dict[str, Any]:
        """Run ``mli fleet``; return what it says to scripts."""
        return self.tools("fleet", str(self.list), "--fleet", FLEET, *self.journalled)

    @property
    def journalled(self) -> tuple[str, ...]:
        """The option of the commands that keep a journal."""
        return ("--output", str(self.folder / "out"))

    def tools(self, *words: str) -> dict[str, Any]:
        """Run ``mli`` with these words."""
        done = subprocess.run(
            [sys.executable, "-m", "mli", *words, "--json"],
            cwd=REPOSITORY,
            env=self.cloud.environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def deployments(self) -> list[dict[str, Any]]:
        """All deployments to the group that have ever been made."""
        reply = self.client("greengrassv2").list_deployments(
            targetArn=GROUP_ARN, historyFilter="ALL"
        )
        return list(reply["deployments"])

    def deployed(self) -> dict[str, Any]:
        """The components of the latest deployment to the group."""
        found = self.client("greengrassv2").get_deployment(
            deploymentId=self.deployments()[0]["deploymentId"]
        )
        return dict(found["components"])

    def configuration(self) -> CoreConfiguration:
        """What the core's device finds in its archive, unpacked."""
        archive = SetupArchive.read(self.folder / "out" / CORE / ARCHIVE)
        found = archive.install(self.folder / "device")
        environments.put_on(self.folder / "device", fleet_component_name(FLEET), DLR)
        return found

    def start(self) -> None:
        """Start the core on its device."""
        self.device = V2Device(
            self.configuration(),
            endpoint=self.cloud.endpoint,
            on_verdict=self.verdicts.put,
            settle=2.0,
        )
        self.device.__enter__()

    def stop(self) -> None:
        device, self.device = self.device, None
        if device is not None:
            device.__exit__(None, None, None)

    def forget(self) -> None:
        """Let the next test deploy again: stack and cores are gone."""
        self._deployed, self.outputs = None, {}

    def heard(self) -> list[Received]:
        """Every message that a core has sent since these tests began."""
        return list(self.watcher.messages[self._before :])

    def things_with_samples(self) -> set[str]:
        """The things of the fleet below whose names there are samples."""
        keys = self.shared.samples(self.outputs["FeedbackBucket"])
        return {key.split("/")[1] for key in keys}

    def claim(self, folder: Path) -> ClaimArchive:
        """Create a claim; return the archive that is the same for all devices."""
        said = self.tools("fleet", "claim", FLEET, "--folder", str(folder))
        found = ClaimArchive.of(SetupArchive.read(Path(said["archive"])))
        assert found is not None
        return found

    def started(self, claim: ClaimArchive, core: str) -> tuple[V2Device, Verdicts]:
        """Start a device that provisions itself, on whose disk the packages are already."""
        root, verdicts = self.folder / core, Verdicts()
        configuration = claim.install(root, core)
        environments.put_on(root, fleet_component_name(FLEET), DLR)
        device = V2Device(
            configuration,
            endpoint=self.cloud.endpoint,
            on_verdict=verdicts.put,
            settle=1.0,
        )
        device.__enter__()
        return device, verdicts

    def next_scores(self) -> list[float]:
        """The confidence of all that the core's next frames show."""
        topic, watcher = names.prediction_topic(CORE), self.watcher
        before = len(watcher.on(topic))
        eventually(lambda: len(watcher.on(topic)) >= before + 4)
        found = [json.loads(message.payload) for message in watcher.on(topic)[before:]]
        return [float(one["confidence"]) for predictions in found for one in predictions]


def remove_core(fleet: Fleet, name: str = CORE) -> None:
    fleet.client("iot").remove_thing_from_thing_group(
        thingGroupName=FLEET, thingName=thing_name(name)
    )
