"""A V1 group, typed: what the definition versions say that a group consists of.

Read from the JSON that the API's Get…DefinitionVersion calls return:
https://docs.aws.amazon.com/greengrass/v1/apireference/api-actions.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar

from ..errors import LocalCoreError
from .arns import CLOUD

DEFAULT_HANDLER = "lambda_function.function_handler"
T = TypeVar("T")


class GroupError(LocalCoreError, ValueError):
    """A group that no core can run, with the reason."""


@dataclass(frozen=True)
class GroupFunction:
    """A Lambda function of the group; ``handler`` is ``module.name`` in its code."""

    id: str
    arn: str
    handler: str = DEFAULT_HANDLER
    pinned: bool = False
    encoding: str = "json"
    variables: Mapping[str, str] = field(default_factory=dict)
    resource_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelResource:
    """A machine learning model, to be unpacked at ``destination_path``.

    ``source`` is its ``s3://`` URI, or the ARN of the training job whose output it is.
    """

    id: str
    name: str
    source: str
    destination_path: str
    writable: bool = False


@dataclass(frozen=True)
class Connector:
    """One of AWS's connectors, with its parameters."""

    id: str
    arn: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subscription:
    """A route for messages. ``subject`` may have MQTT's wildcards."""

    source: str
    subject: str
    target: str


@dataclass(frozen=True)
class Logger:
    """A logger; ``space`` is in kilobytes, for local logs."""

    component: str
    level: str
    type: str
    space: int | None = None


@dataclass(frozen=True)
class GroupDocuments:
    """The group that a deployment brings to a core."""

    functions: tuple[GroupFunction, ...] = ()
    resources: tuple[ModelResource, ...] = ()
    connectors: tuple[Connector, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    loggers: tuple[Logger, ...] = ()

    @classmethod
    def parse(
        cls,
        *,
        functions: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
        connectors: Mapping[str, Any] | None = None,
        subscriptions: Mapping[str, Any] | None = None,
        loggers: Mapping[str, Any] | None = None,
    ) -> GroupDocuments:
        """Read the answers of the API, whole or their ``Definition`` alone; None is an empty one.

        Raises:
            GroupError: if a document lacks something, or two of them contradict each other.
        """
        group = cls(
            functions=_read(functions, "Functions", _function),
            resources=_read(resources, "Resources", _resource),
            connectors=_read(connectors, "Connectors", _connector),
            subscriptions=_read(subscriptions, "Subscriptions", _subscription),
            loggers=_read(loggers, "Loggers", _logger),
        )
        group._check()
        return group

    def _check(self) -> None:
        """Raise GroupError for what makes a deployment of the group fail."""
        members = {CLOUD}
        members.update(function.arn for function in self.functions)
        members.update(connector.arn for connector in self.connectors)
        for subscription in self.subscriptions:
            for end in (subscription.source, subscription.target):
                if end not in members:
                    raise GroupError(f"a subscription names {end}, which is not in the group")
        resources = {one.id for one in self.resources}
        for function in self.functions:
            for unknown in set(function.resource_ids) - resources:
                raise GroupError(f"{function.arn} needs the resource {unknown}, which is not there")
        _check_destinations([one.destination_path for one in self.resources])


def _check_destinations(paths: Sequence[str]) -> None:
    for position, path in enumerate(paths):
        parts = PurePosixPath(path)
        if not parts.is_absolute() or ".." in parts.parts or parts == PurePosixPath("/"):
            raise GroupError(f"DestinationPath {path!r} is not an absolute path below the root")
        for other in map(PurePosixPath, paths[:position]):
            if parts.is_relative_to(other) or other.is_relative_to(parts):
                raise GroupError(f"DestinationPath {path!r} is the same as, or within, {other}")


def _read(
    document: Mapping[str, Any] | None, key: str, read: Callable[[Mapping[str, Any]], T]
) -> tuple[T, ...]:
    definition = (document or {}).get("Definition", document) or {}
    try:
        return tuple(read(entry) for entry in definition.get(key) or ())
    except KeyError as error:
        raise GroupError(f"an entry of {key} has no {error.args[0]}") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise GroupError(f"an entry of {key} cannot be read: {error}") from None


def _function(entry: Mapping[str, Any]) -> GroupFunction:
    configuration = entry.get("FunctionConfiguration") or {}
    environment = configuration.get("Environment") or {}
    policies = environment.get("ResourceAccessPolicies") or ()
    return GroupFunction(
        id=entry["Id"],
        arn=entry["FunctionArn"],
        handler=configuration.get("Executable") or DEFAULT_HANDLER,
        pinned=bool(configuration.get("Pinned")),
        encoding=configuration.get("EncodingType") or "json",
        variables=dict(environment.get("Variables") or {}),
        resource_ids=tuple(policy["ResourceId"] for policy in policies),
    )


def _resource(entry: Mapping[str, Any]) -> ModelResource:
    container = entry["ResourceDataContainer"]
    of_job = container.get("SageMakerMachineLearningModelResourceData")
    data = of_job or container["S3MachineLearningModelResourceData"]
    owner = data.get("OwnerSetting") or {}
    return ModelResource(
        id=entry["Id"],
        name=entry["Name"],
        source=of_job["SageMakerJobArn"] if of_job else data["S3Uri"],
        destination_path=data["DestinationPath"],
        writable=owner.get("GroupPermission") == "rw",
    )


def _connector(entry: Mapping[str, Any]) -> Connector:
    return Connector(entry["Id"], entry["ConnectorArn"], dict(entry.get("Parameters") or {}))


def _subscription(entry: Mapping[str, Any]) -> Subscription:
    return Subscription(entry["Source"], entry["Subject"], entry["Target"])


def _logger(entry: Mapping[str, Any]) -> Logger:
    space = entry.get("Space")
    return Logger(
        entry["Component"], entry["Level"], entry["Type"], None if space is None else int(space)
    )
