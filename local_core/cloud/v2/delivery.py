"""How deployments get to cores: to a thing group by an IoT job, to a thing by a named shadow.

The job document, the shadow's members and the words of the reports are those that the nuclei read
and write (``JobsHelper`` and ``ShadowDeploymentListener`` of aws-greengrass-nucleus,
``iot_jobs_listener.c`` of aws-greengrass-lite).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from .. import location
from ..api.errors import ApiError
from .deployments import Deployment

NAMESPACE = "aws-gg-deployment"
SHADOW = "AWSManagedGreengrassV2Deployment"
_MOST_BYTES = {"thing": 7_168, "thinggroup": 31_744}
"""https://docs.aws.amazon.com/general/latest/gr/greengrassv2.html, size of a deployment document"""
_OF_A_THING = {"SUCCEEDED": "COMPLETED", "FAILED": "FAILED", "REJECTED": "FAILED"}
"""The status of a deployment to a thing, by what its core reports in the shadow."""


class IotChannel(Protocol):
    """What Greengrass needs of AWS IoT."""

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Carry out a request to the API of AWS IoT."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message, reserved topics included."""

    def job_execution(self, thing_name: str, job_id: str) -> Mapping[str, Any] | None:
        """Return what a thing has made of a job; None if it is not one of the thing's."""

    def shadow(self, thing_name: str, shadow_name: str) -> Mapping[str, Any]:
        """Return a thing's named shadow; empty if there is none."""


class Delivery:
    """Hands deployments out, and reads what cores have reported on them."""

    def __init__(self, channel: IotChannel) -> None:
        self._channel = channel

    def send(self, deployment: Deployment, superseded: Deployment | None) -> None:
        """Hand out a deployment; cores that still work on ``superseded`` leave it."""
        document = _text(job_document(deployment))
        if not _is_to_thing(deployment):
            job = {
                "targets": [deployment.target_arn],
                "targetSelection": "CONTINUOUS",
                "document": document,
                "namespaceId": NAMESPACE,
                **(deployment.request.get("iotJobConfiguration") or {}),
            }
            self._channel.request("PUT", f"/jobs/{deployment.job_id}", job)
            if superseded is not None and superseded.status == "ACTIVE":
                self._cancel_job(superseded, force=True)
            return
        self._desire(deployment, {"fleetConfig": document, "desiredStatus": "SUCCEEDED"})

    def cancel(self, deployment: Deployment) -> None:
        """Take a deployment back from the cores that have not begun it."""
        if not _is_to_thing(deployment):
            self._cancel_job(deployment, force=False)
        elif self._is_desired(deployment):
            self._desire(deployment, {"desiredStatus": "CANCELED"})

    def delete(self, deployment: Deployment) -> None:
        """Remove the job, or the document in the shadow."""
        if not _is_to_thing(deployment):
            self._channel.request("DELETE", f"/jobs/{deployment.job_id}?force=true")
        elif self._is_desired(deployment):
            self._desire(deployment, {"fleetConfig": None, "desiredStatus": None})

    def thing_status(self, deployment: Deployment) -> str | None:
        """Return the status of a deployment to a thing once its core has concluded it."""
        if not _is_to_thing(deployment):
            return None
        return _OF_A_THING.get(self._reported(deployment).get("status", ""))

    def effective(self, thing_name: str, deployments: Iterable[Deployment]) -> list[dict[str, Any]]:
        """Return these deployments as ListEffectiveDeployments does, if they are this thing's."""
        found = [
            self._in_shadow(thing_name, one) if _is_to_thing(one) else self._in_job(thing_name, one)
            for one in deployments
        ]
        shown = [one for one in found if one is not None]
        return sorted(shown, key=lambda one: float(one["modifiedTimestamp"]), reverse=True)

    def _in_job(self, thing_name: str, deployment: Deployment) -> dict[str, Any] | None:
        execution = self._channel.job_execution(thing_name, deployment.job_id)
        if execution is None or execution["status"] in ("CANCELED", "REMOVED"):
            return None
        details = execution.get("statusDetails") or {}
        return {
            **_described(deployment),
            "iotJobId": deployment.job_id,
            "iotJobArn": location.arn("iot", f"job/{deployment.job_id}"),
            "coreDeviceExecutionStatus": execution["status"],
            "reason": _reason(
                details.get("detailed-deployment-status"), details.get("deployment-failure-cause")
            ),
            "modifiedTimestamp": execution["lastUpdatedAt"] / 1_000,
        }

    def _in_shadow(self, thing_name: str, deployment: Deployment) -> dict[str, Any] | None:
        if _thing_of(deployment) != thing_name:
            return None
        reported = self._reported(deployment)
        if not reported and deployment.status != "ACTIVE":
            return None
        details = reported.get("statusDetails") or {}
        return {
            **_described(deployment),
            "coreDeviceExecutionStatus": reported.get("status", "QUEUED"),
            "reason": _reason(details.get("detailedStatus"), details.get("failureCause")),
            "modifiedTimestamp": reported.get("timestamp", deployment.created),
        }

    def _reported(self, deployment: Deployment) -> Mapping[str, Any]:
        """Return the reported state of the shadow, with its time, if it is on this deployment."""
        shadow = self._channel.shadow(_thing_of(deployment), SHADOW)
        reported = (shadow.get("state") or {}).get("reported") or {}
        if reported.get("fleetConfigurationArnForStatus") != configuration_arn(deployment):
            return {}
        metadata = (shadow.get("metadata") or {}).get("reported") or {}
        written = (metadata.get("status") or {}).get("timestamp", 0)
        return {"timestamp": max(float(written), deployment.created), **reported}

    def _is_desired(self, deployment: Deployment) -> bool:
        shadow = self._channel.shadow(_thing_of(deployment), SHADOW)
        desired = (shadow.get("state") or {}).get("desired") or {}
        return bool(desired.get("fleetConfig") == _text(job_document(deployment)))

    def _desire(self, deployment: Deployment, desired: Mapping[str, Any]) -> None:
        topic = f"$aws/things/{_thing_of(deployment)}/shadow/name/{SHADOW}/update"
        self._channel.publish(topic, _text({"state": {"desired": desired}}).encode())

    def _cancel_job(self, deployment: Deployment, *, force: bool) -> None:
        path = f"/jobs/{deployment.job_id}/cancel?force={str(force).lower()}"
        self._channel.request("PUT", path, {})


def job_document(deployment: Deployment) -> dict[str, Any]:
    """Return what a core gets of a deployment."""
    request = deployment.request
    policies = request.get("deploymentPolicies") or {}
    update = policies.get("componentUpdatePolicy") or {}
    validation = policies.get("configurationValidationPolicy") or {}
    name = request.get("deploymentName")
    return {
        "deploymentId": deployment.id,
        "configurationArn": configuration_arn(deployment),
        **({"deploymentName": name} if name else {}),
        "components": {
            name: _component(component)
            for name, component in (request.get("components") or {}).items()
        },
        "creationTimestamp": int(deployment.created * 1_000),
        "failureHandlingPolicy": policies.get("failureHandlingPolicy") or "ROLLBACK",
        "componentUpdatePolicy": {
            "timeout": update.get("timeoutInSeconds") or 60,
            "action": update.get("action") or "NOTIFY_COMPONENTS",
        },
        "configurationValidationPolicy": {"timeout": validation.get("timeoutInSeconds") or 60},
    }


def configuration_arn(deployment: Deployment) -> str:
    """Return the ARN by which a core names what it reports on: target and revision."""
    target = deployment.target_arn.split(":", 5)[5]
    return location.arn("greengrass", f"configuration:{target}:{deployment.revision}")


def check_size(deployment: Deployment) -> None:
    """Check the size of a deployment's document against the service's quota.

    Raises:
        ApiError: if it is too large for its target.
    """
    kind = "thing" if _is_to_thing(deployment) else "thinggroup"
    size = len(_text(job_document(deployment)).encode())
    if size > _MOST_BYTES[kind]:
        reason = (
            f"the deployment document has {size} bytes, more than the {_MOST_BYTES[kind]} "
            f"of a deployment to a {kind}"
        )
        raise ApiError("ValidationException", reason)


def _component(component: Mapping[str, Any]) -> dict[str, Any]:
    update = component.get("configurationUpdate") or {}
    change = {
        **({"reset": list(update["reset"])} if update.get("reset") else {}),
        **({"merge": json.loads(update["merge"])} if update.get("merge") else {}),
    }
    return {
        "version": component["componentVersion"],
        **({"configurationUpdate": change} if change else {}),
        **({"runWith": component["runWith"]} if component.get("runWith") else {}),
    }


def _described(deployment: Deployment) -> dict[str, Any]:
    return {
        "deploymentId": deployment.id,
        "deploymentName": deployment.request.get("deploymentName") or deployment.id,
        "targetArn": deployment.target_arn,
        "creationTimestamp": deployment.created,
    }


def _reason(status: str | None, cause: str | None) -> str:
    return ": ".join(text for text in (status, cause) if text)


def _is_to_thing(deployment: Deployment) -> bool:
    return deployment.target_arn.split(":", 5)[5].startswith("thing/")


def _thing_of(deployment: Deployment) -> str:
    return deployment.target_arn.split(":", 5)[5].partition("/")[2]


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
