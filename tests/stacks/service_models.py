"""What the services themselves accept, by botocore's models: fields, types, sizes, patterns."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

_V1_VERSIONS = (
    *("ConnectorDefinition", "CoreDefinition", "FunctionDefinition", "Group"),
    *("LoggerDefinition", "ResourceDefinition", "SubscriptionDefinition"),
)
_OPERATIONS = {
    **{
        f"AWS::Greengrass::{kind}Version": ("greengrass", f"Create{kind}Version")
        for kind in _V1_VERSIONS
    },
    "AWS::GreengrassV2::ComponentVersion": ("greengrassv2", "CreateComponentVersion"),
    "AWS::GreengrassV2::Deployment": ("greengrassv2", "CreateDeployment"),
    "AWS::IoT::Certificate": ("iot", "CreateCertificateFromCsr"),
    "AWS::IoT::Policy": ("iot", "CreatePolicy"),
    "AWS::IoT::RoleAlias": ("iot", "CreateRoleAlias"),
    "AWS::IoT::Thing": ("iot", "CreateThing"),
}
CHECKED_TYPES = frozenset(_OPERATIONS)

_NOT_OF_THE_CALL = {"AWS::IoT::Certificate": {"Status"}}
"""Properties that CloudFormation sets with another call."""


def faults(resource_type: str, properties: dict[str, Any]) -> list[str]:
    """What the service would refuse of a resource's properties, with references as ``<name>``."""
    shape = _operation(*_OPERATIONS[resource_type]).input_shape
    left_out = _NOT_OF_THE_CALL.get(resource_type, set())
    given = {key: value for key, value in properties.items() if key not in left_out}
    return list(_faults(shape, given, resource_type))


@cache
def _operation(service: str, name: str) -> OperationModel:
    return botocore.session.get_session().get_service_model(service).operation_model(name)


def _faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _faults_of_structure(shape, value, path)
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value):
            yield from _faults(shape.member, item, f"{path}[{number}]")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _faults(shape.key, key, f"{path}.{key} (key)")
            yield from _faults(shape.value, item, f"{path}.{key}")
    else:
        yield from _faults_of_scalar(shape, value, path)


def _faults_of_structure(shape: StructureShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: must be an object"
        return
    members = {name.lower(): name for name in shape.members}
    given = {members.get(key.lower(), key): item for key, item in value.items()}
    for name in shape.required_members:
        if name not in given:
            yield f"{path}: {name} is required"
    for name, item in given.items():
        if name not in shape.members:
            yield f"{path}: {name} is unknown"
        else:
            yield from _faults(shape.members[name], item, f"{path}.{name}")


def _faults_of_scalar(shape: Shape, value: Any, path: str) -> Iterator[str]:
    numbers = (int, float)
    kinds = {"integer": (int,), "long": (int,), "boolean": (bool,), "double": numbers}
    expected = kinds.get(shape.type_name, (str,))
    if isinstance(value, dict) and expected == (str,):
        return  # a document, such as a policy, that the service takes as text
    if not isinstance(value, expected):
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    size = len(value) if isinstance(value, str) else value
    if size < shape.metadata.get("min", size) or size > shape.metadata.get("max", size):
        yield f"{path}: {value!r} is out of range"
    if isinstance(value, str) and not value.startswith("<"):
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(_in_python(pattern), value):
            yield f"{path}: {value!r} does not match {pattern}"
        if "enum" in shape.metadata and value not in shape.metadata["enum"]:
            yield f"{path}: {value!r} is not one of {shape.metadata['enum']}"


def _in_python(pattern: str) -> str:
    return pattern.replace("\\p{Graph}", "[!-~]").replace("\\p{Punct}", "[!-/:-@\\[-`{-~]")
