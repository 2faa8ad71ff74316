"""What Greengrass V1 refuses in one definition, beyond what its service model says.

https://docs.aws.amazon.com/greengrass/v1/developerguide/lambda-group-config.html and
https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-inference.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .connector_rules import connector_faults

Content = Mapping[str, Any]

_ID = r"[a-zA-Z0-9:_-]{1,128}"
_FUNCTION_ARN = r"arn:aws[\w-]*:lambda:[\w-]*:\d*:function:[\w-]+"
_THING_ARN = r"arn:aws[\w-]*:iot:[\w-]+:\d{12}:thing/.+"
_CERTIFICATE_ARN = r"arn:aws[\w-]*:iot:[\w-]+:\d{12}:cert/[0-9a-f]{64}"
_S3_URI = (
    r"s3://(?P<bucket>[^/]+)/.+\.(tar\.gz|zip)|https://s3[.\w-]*\.amazonaws\.com/[^/]+/.+|"
    r"https://(?P<host_bucket>[^/]+)\.s3[.\w-]*\.amazonaws\.com/.+"
)
NO_CONTAINER = "NoContainer"


def isolation_mode(function: Content, version: Content) -> str:
    """Return a function's isolation mode: its own, or else its definition's default."""
    own = _path(function, "FunctionConfiguration", "Environment", "Execution", "IsolationMode")
    default = _path(version, "DefaultConfig", "Execution", "IsolationMode")
    return str(own or default or "GreengrassContainer")


def function_faults(version: Content) -> Iterator[str]:
    """Yield what is wrong with a version of a function definition."""
    functions = version.get("Functions") or []
    yield from _id_faults(functions)
    for function in functions:
        name = function.get("Id")
        arn = function.get("FunctionArn") or ""
        if re.fullmatch(_FUNCTION_ARN, arn):
            yield f"{name}: FunctionArn {arn} must be qualified with a version or an alias"
        elif not re.fullmatch(_FUNCTION_ARN + r":[\w$-]+", arn):
            yield f"{name}: FunctionArn {arn!r} is not the ARN of a function"
        yield from _container_faults(function, version)


def _container_faults(function: Content, version: Content) -> Iterator[str]:
    name = function.get("Id")
    configuration = function.get("FunctionConfiguration") or {}
    environment = configuration.get("Environment") or {}
    if isolation_mode(function, version) != NO_CONTAINER:
        if configuration.get("MemorySize") is None and not _is_provided(function):
            yield (
                f"{name}: MemorySize configuration is required in IsolationMode=GreengrassContainer"
            )
        return
    if configuration.get("MemorySize") is not None:
        yield f"{name}: MemorySize configuration is not allowed in IsolationMode=NoContainer"
    if environment.get("AccessSysfs") is not None:
        yield f"{name}: AccessSysfs configuration is not allowed in IsolationMode=NoContainer"
    for policy in environment.get("ResourceAccessPolicies") or []:
        if policy.get("Permission") is not None:
            yield (
                f"{name}: Permission of the resource {policy.get('ResourceId')} is not allowed in "
                "IsolationMode=NoContainer; the resource's OwnerSetting has it"
            )


def _is_provided(function: Content) -> bool:
    """Return whether AWS provides the function, as ``arn:aws:lambda:::function:GGIPDetector:1``."""
    return str(function.get("FunctionArn")).startswith("arn:aws:lambda:::")


def resource_faults(version: Content) -> Iterator[str]:
    """Yield what is wrong with a version of a resource definition."""
    resources = version.get("Resources") or []
    yield from _id_faults(resources)
    destinations: dict[str, str] = {}
    for resource in resources:
        name = resource.get("Id")
        container = resource.get("ResourceDataContainer") or {}
        if len(container) != 1:
            yield f"{name}: ResourceDataContainer must hold exactly one kind of resource"
        data = container.get("S3MachineLearningModelResourceData")
        if data is not None:
            yield from (f"{name}: {fault}" for fault in _s3_model_faults(data))
        model = data or container.get("SageMakerMachineLearningModelResourceData") or {}
        if model.get("DestinationPath"):
            destinations[str(name)] = str(model["DestinationPath"]).rstrip("/")
    for (one, first), (other, second) in itertools.combinations(destinations.items(), 2):
        if f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/"):
            yield f"DestinationPath {first} of {one} and {second} of {other} are equal or nested"


def _s3_model_faults(data: Content) -> Iterator[str]:
    for member in ("S3Uri", "DestinationPath"):
        if not data.get(member):
            yield f"{member} is required"
    match = re.fullmatch(_S3_URI, data.get("S3Uri") or "")
    if data.get("S3Uri") and not match:
        yield f"S3Uri {data['S3Uri']!r} must name a .tar.gz or .zip object in S3"
    bucket = match and (match["bucket"] or match["host_bucket"])
    if bucket and "." in bucket:
        yield f"the name of the bucket {bucket} must have no period"
    if data.get("DestinationPath") and not data["DestinationPath"].startswith("/"):
        yield f"DestinationPath {data['DestinationPath']!r} must be absolute"


def core_faults(version: Content) -> Iterator[str]:
    """Yield what is wrong with a version of a core definition."""
    cores = version.get("Cores") or []
    yield from _id_faults(cores)
    if len(cores) > 1:
        yield "a group has one core"
    for core in cores:
        yield from _thing_faults(core)


def device_faults(version: Content) -> Iterator[str]:
    """Yield what is wrong with a version of a device definition."""
    devices = version.get("Devices") or []
    yield from _id_faults(devices)
    for device in devices:
        yield from _thing_faults(device)


def _thing_faults(thing: Content) -> Iterator[str]:
    for member, pattern in (("ThingArn", _THING_ARN), ("CertificateArn", _CERTIFICATE_ARN)):
        if not re.fullmatch(pattern, thing.get(member) or ""):
            yield f"{thing.get('Id')}: {member} {thing.get(member)!r} is not such an ARN"


def subscription_faults(version: Content) -> Iterator[str]:
    """Yield what is wrong with a version of a subscription definition."""
    subscriptions = version.get("Subscriptions") or []
    yield from _id_faults(subscriptions)
    for subscription in subscriptions:
        name = subscription.get("Id")
        levels = str(subscription.get("Subject") or "").split("/")
        if "#" in levels[:-1] or any(len(level) > 1 and set("#+") & set(level) for level in levels):
            yield f"{name}: Subject {subscription['Subject']!r} is not a topic filter"
        if subscription.get("Source") == subscription.get("Target"):
            yield f"{name}: Source and Target are the same"


def logger_faults(version: Content) -> Iterator[str]:
    """Yield what is wrong with a version of a logger definition."""
    loggers = version.get("Loggers") or []
    yield from _id_faults(loggers)
    for logger in loggers:
        local = logger.get("Type") == "FileSystem"
        if local and not logger.get("Space"):
            yield f"{logger.get('Id')}: Space is required for a logger of the type FileSystem"
    kinds = [(logger.get("Type"), logger.get("Component")) for logger in loggers]
    if len(kinds) != len(set(kinds)):
        yield "there are two loggers of one Type and Component"


def all_connector_faults(version: Content) -> Iterator[str]:
    """Yield what is wrong with a version of a connector definition."""
    connectors = version.get("Connectors") or []
    yield from _id_faults(connectors)
    for connector in connectors:
        yield from (f"{connector.get('Id')}: {fault}" for fault in connector_faults(connector))


def _id_faults(items: Iterable[Content]) -> Iterator[str]:
    names = [str(item.get("Id")) for item in items]
    yield from (f"Id {n!r} does not match {_ID}" for n in names if not re.fullmatch(_ID, n))
    yield from (
        f"Id {n!r} is there twice" for n in sorted({n for n in names if names.count(n) > 1})
    )


def _path(content: Content, *names: str) -> Any:
    value: Any = content
    for name in names:
        value = (value or {}).get(name)
    return value
