"""Removes one core, step by step, in the order in which AWS allows it; each can be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...aws import Clients
from ...device.reports.last_telemetry import TABLE_OUTPUT
from ...device.stacks.fleet import FleetStack
from ...listings import listed
from ..folder import core_folder, put_aside
from ..journal import REMOVAL, Journal
from ..work import Named, absent_is_done, patiently
from .removal_plan import Attached, RemovalPlan, plan_of

_SHADOWS: Sequence[Mapping[str, str]] = ({}, {"shadowName": "AWSManagedGreengrassV2Deployment"})
"""The shadows of a core: that without a name, and the one by which Greengrass deploys to a thing.

Those of other components are not ours, and no call of the API deletes all.
"""


class CoreRemover:
    """Removes things, certificates, policies and what else cores have in the cloud.

    Threads may share it. ``kept`` has what was left, by core, and why.
    """

    def __init__(
        self, clients: Clients, fleet: FleetStack, journal: Journal, *, folder: Path
    ) -> None:
        self._clients = clients
        self._iot = clients("iot")
        self._fleet = fleet
        self._journal = journal
        self._folder = folder
        self.kept: dict[str, list[str]] = {}

    def plan(self, core: str) -> RemovalPlan:
        """Return what is to be removed: what an interrupted command has noted, or as it is now.

        Raises:
            MliError: if the core is not one of the fleet's.
        """
        noted = self._journal.get(core, REMOVAL)
        if noted is not None:
            return RemovalPlan.from_json(noted)
        return plan_of(self._clients, self._fleet, self._journal, core)

    def remove(self, core: Named) -> str:
        """Remove a core; return what was done, in words.

        Raises:
            MliError: if the core is not one of the fleet's.
            botocore.exceptions.ClientError: if AWS refuses.
        """
        plan = self.plan(core.name)
        self._journal.note(core.name, REMOVAL, plan.to_json())
        # First: from here on the core gets no more deployments of the fleet.
        for group in plan.groups:
            with absent_is_done():
                self._iot.remove_thing_from_thing_group(thingGroupName=group, thingName=plan.thing)
        for deployment in plan.deployments:
            end_deployment(self._clients("greengrassv2"), deployment)
        for certificate in plan.certificates:
            self._release(certificate, plan)
        kept = [
            *plan.kept,
            *(text for name in plan.policies if (text := self._delete_policy(name))),
        ]
        if plan.is_thing_deleted:
            self._delete_thing(plan.thing)
        self._forget_telemetry(core.name)
        self._put_files_aside(core.name, plan)
        self._journal.forget(core.name)
        self.kept[core.name] = kept
        return str(plan)

    def _release(self, certificate: Attached, plan: RemovalPlan) -> None:
        """Detach a certificate from all that it has, and delete it if it is only the core's."""
        iot = self._iot
        if certificate.is_deleted:
            with absent_is_done():
                iot.update_certificate(certificateId=certificate.id, newStatus="INACTIVE")
        for name in certificate.policies:
            with absent_is_done():
                iot.detach_policy(policyName=name, target=certificate.arn)
        if plan.is_thing_deleted or certificate.is_deleted:
            with absent_is_done():
                iot.detach_thing_principal(thingName=plan.thing, principal=certificate.arn)
        if certificate.is_deleted:
            with absent_is_done():
                patiently(lambda: iot.delete_certificate(certificateId=certificate.id))

    def _delete_policy(self, name: str) -> str | None:
        """Delete a policy with its versions; return why not, if something else has it."""
        iot = self._iot
        try:
            targets = listed(iot, "list_targets_for_policy", "targets", policyName=name)
            if targets:
                return f"policy {name}, which {', '.join(targets)} has too"
            for version in iot.list_policy_versions(policyName=name)["policyVersions"]:
                if not version["isDefaultVersion"]:
                    with absent_is_done():
                        iot.delete_policy_version(
                            policyName=name, policyVersionId=version["versionId"]
                        )
            patiently(lambda: iot.delete_policy(policyName=name))
        except iot.exceptions.ResourceNotFoundException:
            pass
        return None

    def _delete_thing(self, thing: str) -> None:
        with absent_is_done():
            greengrass = self._clients("greengrassv2")
            patiently(lambda: greengrass.delete_core_device(coreDeviceThingName=thing))
        data = self._clients("iot-data")
        for shadow in _SHADOWS:
            with absent_is_done():
                patiently(partial(data.delete_thing_shadow, thingName=thing, **shadow))
        with absent_is_done():
            patiently(lambda: self._iot.delete_thing(thingName=thing))

    def _forget_telemetry(self, core: str) -> None:
        """Delete the newest telemetry of the core, where the stack keeps it."""
        if table := self._fleet.outputs.get(TABLE_OUTPUT):
            with absent_is_done():
                self._clients("dynamodb").delete_item(TableName=table, Key={"core": {"S": core}})

    def _put_files_aside(self, core: str, plan: RemovalPlan) -> None:
        """Move the core's folder away, so that a core of its name can be created again."""
        files = core_folder(self._folder, core)
        is_ended = plan.is_thing_deleted or any(one.is_deleted for one in plan.certificates)
        if is_ended and files.exists():
            mark = next((one.id[:10] for one in plan.certificates), "without-certificate")
            put_aside(files, self._folder, f"{core}-{mark}")


def end_deployment(greengrass: Any, identity: str) -> None:
    """Cancel a deployment if it is active, and delete it."""
    with absent_is_done():
        found = greengrass.get_deployment(deploymentId=identity)
        if found["deploymentStatus"] == "ACTIVE":
            greengrass.cancel_deployment(deploymentId=identity)
        greengrass.delete_deployment(deploymentId=identity)
