"""Changes threshold and feedback strategies of cores that run: another deployment to their group.

It has the content of the latest one, with a changed configuration. What was switched off is found
again in the deployments before it, up to the last one that was not created here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from inference.feedback.configuration import (
    KEY,
    FeedbackConfiguration,
    FeedbackConfigurations,
)
from inference.schema import ConfigurationError
from inference.settings import InferenceSettings

from ...aws import Clients
from ...errors import MliError
from ..generations.table import generation_of
from ..generations.v2.deployments import latest_deployment, repeat
from ..generations.v2.generation import V2Generation
from ..stacks.core import CoreStack

THRESHOLD = "confidenceThreshold"
MARK = " (mli view)"
"""What the names of deployments from here end with: `cdk deploy` replaces them by its own."""

_MOST_EARLIER = 20
_MOST_COUNTED = 100


@dataclass(frozen=True)
class Deployed:
    """What the latest deployment for a core says, as far as it can be changed here.

    ``group`` is how many cores the deployment is for, ``more`` whether there are more than that.
    ``threshold`` None is the profile's. ``known`` are the strategies that can be switched on, and
    ``on`` the ids of those that are. ``digest`` is what a core reports that uses the settings.
    """

    stack: CoreStack
    id: str
    content: Mapping[str, Any]
    component: str
    merge: Mapping[str, Any]
    group: int
    more: bool
    known: FeedbackConfigurations | None
    on: frozenset[str]
    digest: str

    @property
    def threshold(self) -> float | None:
        """The confidence threshold, None for the profile's."""
        return self.settings.confidence_threshold

    @property
    def settings(self) -> InferenceSettings:
        """The settings that the deployment gives to the core."""
        return _settings(self.merge, self.stack.core_name)


def find_deployed(clients: Clients, core_name: str) -> Deployed:
    """Return what is deployed to a core, which may be one of a fleet.

    Raises:
        MliError: if there is no such core, no deployment, or it is of Greengrass V1.
        botocore.exceptions.ClientError: if AWS refuses.
    """
    stack = CoreStack.find(clients, core_name)
    if not isinstance(generation_of(stack), V2Generation):
        raise MliError(
            f"{core_name} is a core of Greengrass V1: change its context keys and deploy its stack"
        )
    component = stack.component
    greengrass, target = clients("greengrassv2"), stack.deployment_target
    found = latest_deployment(greengrass, target)
    if found is None:
        raise MliError(f"{core_name} has no deployment: deploy its stack (npx cdk deploy …)")
    latest, content = found
    merge = _merge_of(content, component)
    if merge is None:
        raise MliError(f"the deployment {latest} does not have the component {component}")
    group, more = _size_of(clients, target)
    settings = _settings(merge, core_name)
    on = settings.feedback.all if settings.feedback else ()
    return Deployed(
        stack=stack,
        id=latest,
        content=content,
        component=component,
        merge=merge,
        group=group,
        more=more,
        known=_known(greengrass, target, component, latest, content),
        on=frozenset(one.id for one in on),
        digest=settings.digest(),
    )


def change(
    clients: Clients, deployed: Deployed, *, threshold: float | None, on: Collection[str]
) -> Deployed:
    """Create a deployment with another threshold and other strategies; return what it says.

    Raises:
        MliError: if a value cannot be used, or the deployment is not the latest one any more.
        botocore.exceptions.ClientError: if AWS refuses.
    """
    known = deployed.known.all if deployed.known else ()
    strange = sorted(set(on) - {one.id for one in known})
    if strange:
        raise MliError(f"there is no feedback configuration {strange[0]}")
    merge = {key: value for key, value in deployed.merge.items() if key not in (THRESHOLD, KEY)}
    if threshold is not None:
        merge[THRESHOLD] = threshold
    chosen = {one.id: one.to_json() for one in known if one.id in on}
    if chosen:
        merge[KEY] = chosen
    changed = _settings(merge, deployed.stack.core_name)
    if changed.digest() == deployed.digest:
        raise MliError("these are the settings already")
    greengrass = clients("greengrassv2")
    latest = latest_deployment(greengrass, deployed.stack.deployment_target)
    if latest is None or latest[0] != deployed.id:
        raise MliError("someone has deployed meanwhile: look at the settings again, then repeat")
    content = _with_merge(deployed, merge)
    identity = repeat(greengrass, content)
    return replace(
        deployed,
        id=identity,
        content=content,
        merge=merge,
        on=frozenset(chosen),
        digest=changed.digest(),
    )


def _with_merge(deployed: Deployed, merge: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of the deployment with another configuration and a marked name."""
    content = dict(deployed.content)
    component = content["components"][deployed.component]
    update = {**component.get("configurationUpdate", {}), "merge": json.dumps(merge)}
    content["components"] = {
        **content["components"],
        deployed.component: {**component, "configurationUpdate": update},
    }
    name = str(content.get("deploymentName") or deployed.stack.core_name)
    content["deploymentName"] = name if name.endswith(MARK) else name + MARK
    return content


def _known(
    greengrass: Any, target: str, component: str, latest: str, content: Mapping[str, Any]
) -> FeedbackConfigurations | None:
    """Return every feedback configuration since the last deployment of the stack itself."""
    found: dict[str, FeedbackConfiguration] = {}
    order: list[str] = []
    for one in _back_to_the_stack(greengrass, target, latest, content):
        merge = _merge_of(one, component) or {}
        given = FeedbackConfigurations.parse(merge[KEY]).all if merge.get(KEY) else ()
        for configuration in given:
            found.setdefault(configuration.id, configuration)
        if given:
            order = [configuration.id for configuration in given]
    ordered = sorted(found, key=lambda name: order.index(name) if name in order else len(order))
    return FeedbackConfigurations(tuple(found[name] for name in ordered)) if found else None


def _back_to_the_stack(
    greengrass: Any, target: str, latest: str, content: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    yield content
    if not _is_marked(content):
        return
    pages = greengrass.get_paginator("list_deployments").paginate(
        targetArn=target, historyFilter="ALL", PaginationConfig={"MaxItems": 100}
    )
    listed = [one for page in pages for one in page["deployments"]]
    listed.sort(key=lambda one: str(one["creationTimestamp"]), reverse=True)
    earlier = [one["deploymentId"] for one in listed if one["deploymentId"] != latest]
    for identity in earlier[:_MOST_EARLIER]:
        one = greengrass.get_deployment(deploymentId=identity)
        yield one
        if not _is_marked(one):
            return


def _is_marked(content: Mapping[str, Any]) -> bool:
    return str(content.get("deploymentName", "")).endswith(MARK)


def _merge_of(content: Mapping[str, Any], component: str) -> dict[str, Any] | None:
    """Return the configuration that a deployment merges; None if it does not have the component."""
    one = content.get("components", {}).get(component)
    if one is None:
        return None
    try:
        found = json.loads(one.get("configurationUpdate", {}).get("merge") or "{}")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else None


def _settings(merge: Mapping[str, Any], core_name: str) -> InferenceSettings:
    try:
        return InferenceSettings.from_configuration({**merge, "coreName": core_name})
    except ConfigurationError as error:
        raise MliError(str(error)) from error


def _size_of(clients: Clients, target: str) -> tuple[int, bool]:
    """Return how many cores a target has, and whether there are more than were counted."""
    kind, _, name = target.rpartition(":")[2].partition("/")
    if kind != "thinggroup":
        return 1, False
    reply = clients("iot").list_things_in_thing_group(
        thingGroupName=name, recursive=True, maxResults=_MOST_COUNTED
    )
    return len(reply["things"]), bool(reply.get("nextToken"))
