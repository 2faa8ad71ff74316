"""The life of a fleet in steps: cores come by claim, get two models by a canary, and go."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from inference import names
from local_core.device.v2.core import V2Device
from local_core.processes.cdk import REPOSITORY
from local_core.run.shared_cloud import MODEL_BUCKET, model_archive
from models import store
from stacks.names import canary_group_name, fleet_component_name, thing_name
from tests.cloud.support import StackError
from tests.e2e.fleet_rig import CORE, FLEET, STACK, Fleet
from tests.e2e.rig import MODEL, SECONDS, Verdicts
from tests.waiting import eventually

NUMBER = int(os.environ.get("MLI_E2E_FLEET_CORES", "4"))
"""Cores that come by themselves; 20 run on a larger machine."""
SUCCEEDED = ("SUCCEEDED", "SUCCESSFUL")
_ROLLOUT = '{"canary": {"waitInMinutes": 5}}'
_ASSETS = "cdk-hnb659fds-assets-000000000000-us-east-1"


class FleetLife:
    """The steps, in the order in which they must be called."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.folder = folder
        self.context = {"rollout": _ROLLOUT, "inferenceInterval": "2"}
        self.cores = [f"E2E-Life-{number}" for number in range(1, NUMBER + 1)]
        self.devices: dict[str, tuple[V2Device, Verdicts]] = {}

    def begin(self) -> None:
        """Give the fleet a canary. It has no cores yet, so the other core follows at once."""
        assert self._deploy()["reason"] == "the canary has no cores"
        assert self.fleet.verdicts.next() == SUCCEEDED

    def let_all_come(self) -> None:
        """Start all devices with one claim; each becomes a core and gets the deployment."""
        claim = self.fleet.claim(self.folder / "claim")
        with ThreadPoolExecutor(4) as pool:
            started = pool.map(lambda core: self.fleet.started(claim, core), self.cores)
            self.devices.update(zip(self.cores, started, strict=True))
        for _, verdicts in self.devices.values():
            assert verdicts.next() == SUCCEEDED
        for core in self.cores:
            self._expect_prediction(core)

    def choose_canary(self) -> None:
        """Move one of the cores that came into the canary."""
        self.fleet.tools("fleet", "canary", FLEET, self.cores[0])
        group = self.fleet.client("iot").list_things_in_thing_group(
            thingGroupName=canary_group_name(FLEET)
        )
        assert group["things"] == [thing_name(self.cores[0])]
        # It gets what is deployed there: the same, so that nothing changes.
        assert self.devices[self.cores[0]][1].next() == SUCCEEDED

    def see_a_bad_model_rolled_back(self) -> None:
        """Deploy an archive without a model: only the canary gets it, and gets the old one back."""
        before, canary = self.fleet.deployed(), self.devices[self.cores[0]][1]
        with self._verdict(1) as said, pytest.raises(StackError, match="FAILED"):
            self.fleet.deploy(**{**self.context, "modelS3Uri": self._upload("bad", None)})
        assert "gives the canary back what the other cores have" in said[0]
        assert canary.next()[0] == "FAILED"
        assert canary.next() == SUCCEEDED
        assert self.fleet.deployed() == before
        self._expect_all(before)

    def see_a_good_model_reach_all(self) -> None:
        """Deploy another model, which the canary runs first and then all others."""
        before = self.fleet.deployed()
        # Another archive of the same files: gzip takes what follows as a part of it.
        archive = model_archive(store.unpacked(MODEL)).read_bytes() + gzip.compress(b"")
        model = self._upload("good", archive)
        assert self._deploy(modelS3Uri=model)["verdict"] == "SUCCESS"
        followed = self.fleet.tools("redeploy", FLEET)
        assert {one["status"] for one in followed["cores"].values()} == {"SUCCEEDED"}
        assert set(followed["cores"]) == {CORE, *self.cores[1:]}
        all_verdicts = [self.fleet.verdicts, *(verdicts for _, verdicts in self.devices.values())]
        for verdicts in all_verdicts:
            assert verdicts.next() == SUCCEEDED
        if followed[
            "made"
        ]:  # All were done already, so it was repeated for those without a canary.
            for verdicts in (all_verdicts[0], *all_verdicts[2:]):
                assert verdicts.next() == SUCCEEDED
        assert self.fleet.deployed() != before
        self._expect_all(self.fleet.deployed())

    def lose_what_the_stack_was_made_of(self) -> None:
        """Empty the CDK's bucket, more than `cdk gc` would, and that of models: a core still comes.

        All others run what they have.
        """
        for bucket in (_ASSETS, MODEL_BUCKET):
            for key in self.fleet.shared.samples(bucket):
                if bucket == _ASSETS or key.startswith(("life/", "E2E-Hall/")):
                    self.fleet.client("s3").delete_object(Bucket=bucket, Key=key)
        last = f"E2E-Life-{NUMBER + 1}"
        self.cores.append(last)
        self.devices[last] = self.fleet.started(self.fleet.claim(self.folder / "claim"), last)
        assert self.devices[last][1].next() == SUCCEEDED
        self._expect_all(self.fleet.deployed())

    def remove_three(self) -> None:
        """Remove the canary's core and two others; all were well."""
        table = self.fleet.tools("fleet", "status", FLEET)
        assert {row["core"] for row in table["cores"]} == {CORE, *self.cores}
        assert {row["deployment"] for row in table["cores"]} == {"SUCCEEDED"}
        removed = self.cores[:3]
        said = self.fleet.tools("fleet", "remove", FLEET, *removed, "--yes", *self.fleet.journalled)
        assert set(said["done"]) == set(removed)
        table = self.fleet.tools("fleet", "status", FLEET)
        assert {row["core"] for row in table["cores"]} == {CORE, *self.cores[3:]}

    def retire(self) -> None:
        """End all: cores, claims, stack, and the versions of the component."""
        fleet = self.fleet
        said = fleet.tools("fleet", "retire", FLEET, "--yes", *fleet.journalled)
        assert set(said["done"]) == {CORE, *self.cores[3:]}
        fleet.destroy()
        with pytest.raises(ClientError, match="does not exist"):
            fleet.client("cloudformation").describe_stacks(StackName=STACK)
        cleaned = fleet.tools("clean", FLEET, "--yes")
        fleet.forget()
        iot, greengrass = fleet.client("iot"), fleet.client("greengrassv2")
        things = {one["thingName"] for one in iot.list_things(maxResults=250)["things"]}
        assert not things & {thing_name(core) for core in (CORE, *self.cores)}
        groups = {one["groupName"] for one in iot.list_thing_groups()["thingGroups"]}
        assert not groups & {FLEET, canary_group_name(FLEET)}
        left = {one["componentName"] for one in greengrass.list_components()["components"]}
        assert fleet_component_name(FLEET) not in left, cleaned

    def stop(self) -> None:
        """Switch all devices off, together: each waits for its component to end."""
        with ThreadPoolExecutor(8) as pool:
            ended = [
                pool.submit(device.__exit__, None, None, None)
                for device, _ in self.devices.values()
            ]
            self.fleet.stop()
        for one in ended:
            one.result()

    def _deploy(self, **changes: str) -> dict[str, Any]:
        with self._verdict(0) as said:
            self.fleet.deploy(**{**self.context, **changes})
        found: dict[str, Any] = json.loads(said[0].splitlines()[-1])
        return found

    @contextmanager
    def _verdict(self, code: int) -> Iterator[list[str]]:
        """Run `mli fleet canary` beside the block; the list then has what it said."""
        words = ("fleet", "canary", FLEET, "--healthy", "0.5", "--timeout", str(SECONDS), "--json")
        process = subprocess.Popen(
            [sys.executable, "-m", "mli", *words],
            cwd=REPOSITORY,
            env=self.fleet.cloud.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said: list[str] = []
        try:
            yield said
            said.append(process.communicate(timeout=SECONDS)[0])
        finally:
            process.kill()
            process.wait()
        assert process.returncode == code, said

    def _upload(self, name: str, archive: bytes | None) -> str:
        """Upload an archive; return its URI. Without content there is no model in it."""
        if archive is None:
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w:gz") as opened:
                opened.addfile(tarfile.TarInfo("compiled.params"))
            archive = packed.getvalue()
        key = f"life/{name}/model.tar.gz"
        self.fleet.client("s3").put_object(Bucket=MODEL_BUCKET, Key=key, Body=archive)
        return f"s3://{MODEL_BUCKET}/{key}"

    def _expect_all(self, deployed: dict[str, Any]) -> None:
        """Expect of each core that it runs the version of a deployment, and still predicts."""
        name = fleet_component_name(FLEET)
        version = deployed[name]["componentVersion"]
        for core in (CORE, *self.cores):
            reply = self.fleet.client("greengrassv2").list_installed_components(
                coreDeviceThingName=thing_name(core)
            )
            found = {one["componentName"]: one for one in reply["installedComponents"]}
            assert found[name]["componentVersion"] == version, core
            self._expect_prediction(core)

    def _expect_prediction(self, core: str) -> None:
        topic, watcher = names.prediction_topic(core), self.fleet.watcher
        before = len(watcher.on(topic))
        eventually(lambda: len(watcher.on(topic)) > before)
