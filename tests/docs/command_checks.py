"""What is wrong with a command of the pages, found without running it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import click

from inference import schema
from mli.cli.main import main
from stacks.context.keys import APP_FIELDS, CONTEXT_FIELDS
from tests.conftest import REPOSITORY as ROOT
from tests.docs import aws_stand_in
from tests.docs.commands import GAP, Command

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PLACEHOLDER = re.compile(r"…|<[^>]*>")
CDK_REGISTRY = ROOT / "node_modules" / "aws-cdk" / "lib" / "cli" / "cli-type-registry.json"


class CommandFault(AssertionError):
    """What is wrong with a command."""


class MissingArgument(CommandFault):
    """An argument, or a required parameter, that is not there."""


def check(command: Command) -> None:
    """Check each part of a command whose program is known here.

    Raises:
        CommandFault: if an option, a target, a key, an operation or a value does not exist.
    """
    for words in command.simple():
        checked = CHECKS.get(words[0])
        try:
            if checked:
                checked(words[1:])
        except MissingArgument:
            if not command.is_quoted:
                raise


def check_mli(words: Sequence[str]) -> None:
    """Check a command's options and the number of its arguments, as click reads them."""
    if words[0] == GAP or words[0] == "COMMAND":
        return
    command: click.Command = main
    context = click.Context(main, info_name="mli", **main.context_settings)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        try:
            name, found, rest = command.resolve_command(context, rest)
        except click.UsageError:
            found = None
        if found is None:
            raise CommandFault(f"mli has no command {rest[0]}")
        command, context = found, click.Context(found, parent=context, info_name=name)
    try:
        given, left, _ = command.make_parser(context).parse_args(rest)
        if left:
            raise CommandFault(f"what is {left}?")
        for parameter in command.params:
            value = given.get(parameter.name or "")
            if isinstance(parameter.type, click.Choice) and isinstance(value, str):
                parameter.type_cast_value(context, value)
            is_missing = isinstance(parameter, click.Argument) and not (
                value and isinstance(value, (str, tuple))
            )
            if is_missing and parameter.required and not given.get("help"):
                raise MissingArgument(f"{parameter.name} is missing")
    except click.UsageError as error:
        raise CommandFault(error.format_message()) from None


def check_make(words: Sequence[str]) -> None:
    """Check that targets and variables are the Makefile's, and what ARGS passes on."""
    targets = [word for word in words if "=" not in word]
    for target in targets:
        if not re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE):
            raise CommandFault(f"there is no target {target}")
    for name, value in (word.split("=", 1) for word in words if "=" in word):
        if not re.search(rf"^{name} \?=", MAKEFILE, re.MULTILINE):
            raise CommandFault(f"the Makefile has no variable {name}")
        if name == "ARGS" and targets[0] in ("run", "cloud"):
            check_mli([targets[0], *shlex.split(value)])
        if name == "ARGS" and targets[0] == "unit":
            check_pytest(shlex.split(value))


def check_pytest(words: Sequence[str]) -> None:
    for path in words:
        if not path.startswith("-") and not (ROOT / path).exists():
            raise CommandFault(f"there is no {path}")


def check_npx(words: Sequence[str]) -> None:
    if words[0] != "cdk":
        raise CommandFault(f"{words[0]} is not installed by this project")
    check_cdk(words[1:])


def check_cdk(words: Sequence[str]) -> None:
    """Check the CLI's command and its options, and the app's context keys with their values."""
    registry = cdk_registry()
    if words[0] == GAP:
        return
    if words[0] not in registry["commands"]:
        raise CommandFault(f"cdk has no command {words[0]}")
    known = {**registry["globalOptions"], **registry["commands"][words[0]].get("options", {})}
    aliases = {of["alias"] for of in known.values() if isinstance(of.get("alias"), str)}
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word in ("-c", "--context"):
            check_context(rest.pop(0))
        elif word.startswith("--"):
            if word.removeprefix("--").partition("=")[0] not in known:
                raise CommandFault(f"cdk {words[0]} has no {word}")
        elif word.startswith("-") and word.removeprefix("-") not in aliases:
            raise CommandFault(f"cdk {words[0]} has no {word}")


def check_context(setting: str) -> None:
    """Check a context key, and its value unless the reader fills that in."""
    key, has_value, value = setting.partition("=")
    if key == GAP:
        return
    fields = {field.key: field for field in (*CONTEXT_FIELDS, *APP_FIELDS)}
    if key not in fields or not has_value:
        raise CommandFault(f"there is no context key {setting}")
    if PLACEHOLDER.search(value) or re.search(r"(Request|Path|Profile)$", key):
        return  # a value to be filled in, or a file that is there only when the command runs
    _, faults = schema.parse_fields((fields[key],), {key: value})
    if faults:
        raise CommandFault(f"{key}: {faults[0]}")


def check_aws(words: Sequence[str]) -> None:
    """Check operations and parameters against the models of the services."""
    if list(words) in aws_stand_in.OTHERS:
        return
    if words[0] == "s3":
        arguments = [word for word in words[2:] if not word.startswith("--")]
        fewest, most = aws_stand_in.S3[words[1]]
        if not fewest <= len(arguments) <= most:
            raise CommandFault(f"s3 {words[1]} with {arguments}")
        return
    without_spaces = shlex.split(PLACEHOLDER.sub("X", shlex.join(words)))
    complete = words[-1] != GAP
    if not complete and without_spaces[-2].startswith("--") and len(without_spaces) % 2 == 0:
        complete = True  # the gap is the value of the last option
    given = without_spaces if complete else without_spaces[:-1]
    try:
        aws_stand_in.parse(given, complete=complete)
    except (aws_stand_in.UsageError, ValueError) as error:
        raise CommandFault(str(error)) from None


@cache
def cdk_registry() -> Mapping[str, Any]:
    """Return the commands and options of the pinned CDK CLI."""
    registry: Mapping[str, Any] = json.loads(CDK_REGISTRY.read_text(encoding="utf-8"))
    return registry


CHECKS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "aws": check_aws,
    "cdk": check_cdk,
    "make": check_make,
    "mli": check_mli,
    "npx": check_npx,
    "pytest": check_pytest,
}
