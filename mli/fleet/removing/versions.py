"""Which versions of a component are still needed, and what the others have in Amazon S3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...aws import Clients
from ...device.stacks.outputs import stack_status
from ...errors import MliError
from ...listings import listed
from ..work import absent_is_done

_SCHEME = "s3://"
_AT_ONCE = 4


@dataclass(frozen=True)
class Version:
    """A version of a component: its ARN, when it was created, and the addresses in its recipe."""

    number: str
    arn: str
    created: datetime
    artifacts: Sequence[str]


@dataclass(frozen=True)
class Cleaning:
    """What will be deleted, and what is kept: each kept version with the reason."""

    versions: Sequence[Version]
    objects: Sequence[str]
    kept: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return all of it for scripts."""
        return {
            "versions": [version.number for version in self.versions],
            "objects": list(self.objects),
            "kept": dict(self.kept),
        }


def cleaning_of(clients: Clients, component: str, *, has_stack: bool) -> Cleaning:
    """Return what can be deleted of a component, without changing anything.

    Kept is a version that the latest deployment of any target names, or that a core has installed;
    and the newest one if there is a stack, since it is the one that the stack names.
    """
    versions = list(versions_of(clients, component))
    kept = dict(_in_deployments(clients("greengrassv2"), component))
    for number, core in _on_cores(clients, component):
        kept.setdefault(number, f"installed on {core}")
    if versions and has_stack:
        newest = max(versions, key=lambda one: one.created)
        kept.setdefault(newest.number, "the newest")
    old = [version for version in versions if version.number not in kept]
    needed = {uri for version in versions if version.number in kept for uri in version.artifacts}
    found = list(_objects(clients, component, versions))
    return Cleaning(old, [uri for uri in found if uri not in needed], kept)


def versions_of(clients: Clients, component: str) -> Iterator[Version]:
    """Yield all versions of a component of this account; none if there is no such component."""
    greengrass = clients("greengrassv2")
    account = clients("sts").get_caller_identity()
    partition, number = account["Arn"].split(":")[1], account["Account"]
    place = f"arn:{partition}:greengrass:{greengrass.meta.region_name}:{number}"
    with absent_is_done():
        pages = greengrass.get_paginator("list_component_versions")
        for page in pages.paginate(arn=f"{place}:components:{component}"):
            for one in page["componentVersions"]:
                yield _version(greengrass, one)


def delete(clients: Clients, cleaning: Cleaning, say: Callable[[str], None]) -> None:
    """Delete objects, and then versions: their recipes say where to look for the objects.

    So an interrupted command can be repeated. The bucket keeps what is deleted for 30 days.
    """
    for uri in cleaning.objects:
        bucket, _, key = uri.removeprefix(_SCHEME).partition("/")
        say(f"deleting {uri} …")
        clients("s3").delete_object(Bucket=bucket, Key=key)
    for version in cleaning.versions:
        say(f"deleting version {version.number} …")
        with absent_is_done():
            clients("greengrassv2").delete_component(arn=version.arn)


def _version(greengrass: Any, listed: Mapping[str, Any]) -> Version:
    about = greengrass.describe_component(arn=listed["arn"])
    text = greengrass.get_component(arn=listed["arn"], recipeOutputFormat="JSON")["recipe"]
    artifacts = [
        str(artifact.get("Uri") or artifact.get("URI") or "")
        for manifest in json.loads(text).get("Manifests") or ()
        for artifact in manifest.get("Artifacts") or ()
    ]
    number = str(listed["componentVersion"])
    return Version(number, str(listed["arn"]), about["creationTimestamp"], artifacts)


def _in_deployments(greengrass: Any, component: str) -> Iterator[tuple[str, str]]:
    """Yield the version that the latest deployment of each target names, with the target."""
    found = listed(greengrass, "list_deployments", "deployments", historyFilter="LATEST_ONLY")
    for one in found:
        with absent_is_done():
            content = greengrass.get_deployment(deploymentId=one["deploymentId"])
            named = (content.get("components") or {}).get(component)
            if named:
                target = str(one["targetArn"]).rpartition("/")[2]
                yield str(named["componentVersion"]), f"deployed to {target}"


def _on_cores(clients: Clients, component: str) -> Iterator[tuple[str, str]]:
    """Yield the version that each core of the account has installed, with the core's thing."""
    greengrass = clients("greengrassv2")
    cores = listed(greengrass, "list_core_devices", "coreDevices")
    things = [str(one["coreDeviceThingName"]) for one in cores]

    def installed(thing: str) -> list[str]:
        with absent_is_done():
            found = listed(
                greengrass,
                "list_installed_components",
                "installedComponents",
                coreDeviceThingName=thing,
                topologyFilter="ALL",
            )
            return [
                str(one["componentVersion"]) for one in found if one["componentName"] == component
            ]
        return []

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for thing, numbers in zip(things, pool.map(installed, things), strict=True):
            yield from ((number, thing) for number in numbers)


def _objects(clients: Clients, component: str, versions: Sequence[Version]) -> Iterator[str]:
    """Yield the addresses of the stack's own copies, below the component's name in its bucket."""
    places = {
        uri.removeprefix(_SCHEME).partition("/")[0]
        for version in versions
        for uri in version.artifacts
        if uri.startswith(_SCHEME) and uri.removeprefix(_SCHEME).split("/")[1] == component
    }
    # A stack that was deleted and deployed again has another bucket.
    for bucket in sorted(places):
        pages = clients("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=f"{component}/"):
            for one in page.get("Contents") or ():
                yield f"{_SCHEME}{bucket}/{one['Key']}"


def has_stack(clients: Clients, stack: str) -> bool:
    """Return whether there is a stack.

    Raises:
        MliError: if it is being deployed: its next version may need what none names yet.
    """
    status = stack_status(clients, stack)
    if status.endswith("_IN_PROGRESS"):
        raise MliError(f"the stack {stack} is {status}: repeat this when it is done")
    return bool(status)
