"""``aws SERVICE COMMAND --options``, as far as the pages use it, by way of botocore's models.

The AWS CLI is not among this project's packages. Its commands for a service are that service's
operations, and its options their parameters, in words joined by hyphens.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.session

GLOBAL = ("query", "output", "region", "profile")
"""Options of every command."""
S3 = {"ls": (0, 1), "rb": (1, 1), "rm": (1, 1)}
"""The commands of ``aws s3`` that are known here, with the fewest and the most arguments."""
OTHERS = (["configure"], ["sso", "login"])
"""Commands about the user's own configuration."""


class UsageError(ValueError):
    """The command is not one of the AWS CLI's."""


@dataclass(frozen=True)
class Call:
    """An operation of a service, or a waiter, and its parameters."""

    service: str
    operation: str
    waiter: str | None
    parameters: Mapping[str, Any]
    general: Mapping[str, str]


def parse(words: Sequence[str], *, complete: bool = True) -> Call:
    """Read a command without its ``aws``.

    Raises:
        UsageError: if there is no such operation or parameter, or, of one that should be
            ``complete``, if a required parameter is missing.
    """
    service, command, rest = words[0], words[1], list(words[2:])
    try:
        model = botocore.session.get_session().get_service_model(service)
    except botocore.exceptions.UnknownServiceError:
        raise UsageError(f"there is no service {service}") from None
    waiter = None
    if command == "wait":
        waiter, command = _waiter(service, rest.pop(0))
    operations = {_hyphens(name): name for name in model.operation_names}
    if command not in operations:
        raise UsageError(f"{service} has no {command}")
    shape = model.operation_model(operations[command]).input_shape
    members = {_hyphens(name): (name, member) for name, member in shape.members.items()}
    switches = {
        f"{prefix}{word}": (name, value)
        for word, (name, member) in members.items()
        if member.type_name == "boolean"
        for prefix, value in (("--", True), ("--no-", False))
    }
    parameters: dict[str, Any] = {}
    general: dict[str, str] = {}
    while rest:
        option = rest.pop(0)
        if option in switches:
            parameter, value = switches[option]
            parameters[parameter] = value
            continue
        name = option.removeprefix("--")
        if not option.startswith("--") or not (name in members or name in GLOBAL):
            raise UsageError(f"{service} {command} has no {option}")
        if not rest:
            raise UsageError(f"the value of {option} is missing")
        if name in members:
            parameter, member = members[name]
            parameters[parameter] = _value(rest.pop(0), member.type_name)
        else:
            general[name] = rest.pop(0)
    missing = set(shape.required_members) - set(parameters)
    if complete and missing:
        raise UsageError(f"{service} {command} needs {', '.join(map(_hyphens, missing))}")
    return Call(service, operations[command], waiter, parameters, general)


def run(words: list[str]) -> Any:
    """Run a command; return what it prints."""
    if words[0] == "s3":
        return _run_s3(words[1], [word for word in words[2:] if word != "--recursive"])
    call = parse(words)
    client = _session().client(call.service)
    if call.waiter:
        client.get_waiter(call.waiter).wait(**call.parameters, WaiterConfig={"Delay": 1})
        return ""
    reply = getattr(client, _underscores(call.operation))(**call.parameters)
    reply.pop("ResponseMetadata", None)
    for name in call.general.get("query", "").split("."):
        reply = reply[name] if name else reply
    return reply if isinstance(reply, str) else json.dumps(reply, default=str, indent=1)


def _session() -> boto3.Session:
    """Return a session in the Region that version 2 of the AWS CLI would use."""
    return boto3.Session(region_name=os.environ.get("AWS_REGION"))


def _run_s3(command: str, arguments: list[str]) -> str:
    s3 = _session().resource("s3")
    if command == "ls":
        return "\n".join(bucket.name for bucket in s3.buckets.all())
    bucket, _, prefix = arguments[0].removeprefix("s3://").partition("/")
    if command == "rm":
        s3.Bucket(bucket).objects.filter(Prefix=prefix).delete()
    else:
        s3.Bucket(bucket).delete()
    return ""


def _waiter(service: str, name: str) -> tuple[str, str]:
    model = botocore.session.get_session().get_waiter_model(service)
    names = {_hyphens(one): one for one in model.waiter_names}
    if name not in names:
        raise UsageError(f"{service} has nothing to wait for that is called {name}")
    return _underscores(names[name]), _hyphens(model.get_waiter(names[name]).operation)


def _value(text: str, kind: str) -> Any:
    if text.startswith("file://"):
        text = Path(text.removeprefix("file://")).read_text(encoding="utf-8")
    if kind in ("map", "list", "structure"):
        return json.loads(text)
    if kind in ("integer", "long"):
        return int(text)
    return text


def _hyphens(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _underscores(name: str) -> str:
    return _hyphens(name).replace("-", "_")


if __name__ == "__main__":
    try:
        print(run(sys.argv[1:]))
    except Exception as error:
        sys.exit(f"aws: {error}")
