"""The function behind the custom resources of a V2 stack: one entry by resource type."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from . import (
    artifact_copies,
    fleet_members,
    fleet_protection,
    kept_components,
    lookups,
    membership,
)
from .answer import answer

_log = logging.getLogger()
_log.setLevel(logging.INFO)

PUTS = {
    "Custom::ArtifactCopies": artifact_copies.copy,
    "Custom::FleetMembers": fleet_members.note,
    "Custom::FleetProtection": fleet_protection.note,
    "Custom::IotEndpoints": lookups.iot_endpoints,
    "Custom::ComponentRevision": lookups.component_revision,
    "Custom::KeptComponents": kept_components.check,
    "Custom::SimulatorImage": lookups.simulator_image,
    "Custom::ThingGroupMembership": membership.join,
}
"""By resource type, what creates or updates it: properties to physical id and attributes.

``StackId`` and the present ``PhysicalResourceId`` are among the properties, and
``OldResourceProperties`` are those from before an update.
"""

DELETES = {
    "Custom::FleetMembers": fleet_members.refuse_while_there_are_any,
    "Custom::FleetProtection": fleet_protection.lift_after_failed_creation,
    "Custom::ThingGroupMembership": membership.leave,
}
"""By resource type, what deletes it.

A look-up leaves nothing behind, and copies of artifacts outlive what made them.
"""


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Carry out one request of CloudFormation, and answer it whatever happens."""
    physical_id = event.get("PhysicalResourceId", event["LogicalResourceId"])
    kind, properties = event.get("ResourceType", ""), event["ResourceProperties"]
    data: Mapping[str, str] = {}
    reason = ""
    try:
        if event["RequestType"] != "Delete":
            old = event.get("OldResourceProperties", {})
            given = {
                **properties,
                "OldResourceProperties": old,
                "PhysicalResourceId": physical_id,
                "StackId": event["StackId"],
            }
            physical_id, data = PUTS[kind](given)
            _log.info("%s: %s", physical_id, data)
        elif kind in DELETES:
            DELETES[kind](properties)
            _log.info("%s: deleted", physical_id)
    except Exception as error:  # without an answer CloudFormation waits for an hour
        reason = f"{kind} failed ({event['RequestType']}): {error}"
        _log.exception(reason)
    answer(event, physical_id, data=data, reason=reason)
