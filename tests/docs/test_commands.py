"""Each command of the pages exists, with its options, targets, keys and parameters."""

from __future__ import annotations

import shutil
from pathlib import Path

import click.testing
import pytest

from mli.cli.main import main
from tests.docs import command_checks
from tests.docs.command_checks import CDK_REGISTRY, CommandFault, check
from tests.docs.commands import Block, Command, blocks, commands, inline_commands, name_of, pages

MESSAGES = ("docs/troubleshooting.md",)
"""These pages quote messages too, some of which begin with a command's name."""
ALL = [
    command
    for page in pages()
    for command in (
        *commands(page),
        *(inline_commands(page) if name_of(page) not in MESSAGES else ()),
    )
]

needs_cdk = pytest.mark.skipif(
    not CDK_REGISTRY.exists(), reason="the CDK CLI is not installed: npm ci"
)


def is_shown_with_its_faults(command: Command) -> bool:
    return "tpoK=3" in command.text


@needs_cdk
@pytest.mark.parametrize(
    "command", [one for one in ALL if not is_shown_with_its_faults(one)], ids=str
)
def test_command_exists(command: Command) -> None:
    check(command)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_no_block_with_a_command_is_taken_for_something_else(page: Path) -> None:
    for block in blocks(page):
        if not block.is_shell and not block.is_drawing and block.kind not in ("json", "text"):
            first = block.lines[0].removeprefix("$ ").split()[0]
            assert shutil.which(first) is None, f"{page.name}:{block.line} {block.lines[0]}"


@needs_cdk
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("mli packag Demo", "mli has no command packag"),
        ("mli package Demo --nucleus-lite", "No such option"),
        ("mli package Demo Other", "what is"),
        ("mli package --nucleus lite", "is missing"),
        ("mli package Demo --nucleus tiny", "'tiny' is not one of"),
        ("make rum", "there is no target rum"),
        ("make run ARG=x", "no variable ARG"),
        ('make run ARGS="--keeep"', "No such option"),
        ("make unit ARGS=tests/nowhere", "there is no tests/nowhere"),
        ("npx cdkk deploy", "cdkk is not installed"),
        ("npx cdk deploi", "cdk has no command deploi"),
        ("npx cdk deploy --al", "cdk deploy has no --al"),
        ("npx cdk deploy -c tpoK=3", "there is no context key tpoK=3"),
        ("npx cdk deploy -c topK=many", "topK"),
        ("aws iott list-things", "there is no service iott"),
        ("aws iot remove-thing", "iot has no remove-thing"),
        ("aws iot update-certificate --certificate-id … --status X", "has no --status"),
        ("aws iot update-certificate --certificate-id …", "needs new-status"),
        ("aws cloudformation wait stack-gone --stack-name S", "called stack-gone"),
    ],
)
def test_fault_of_a_command_is_found(text: str, fault: str) -> None:
    with pytest.raises(CommandFault, match=fault):
        check(Command("page", 1, text))


def test_check_of_a_command_leaves_its_short_help_option() -> None:
    check(Command("page", 1, "mli demo unpack -h"))
    check(Command("page", 1, "mli status Demo --json"))
    for words in (["-h"], ["status", "-h"], ["demo", "-h"], ["demo", "unpack", "-h"]):
        assert click.testing.CliRunner().invoke(main, words).exit_code == 0, words


def test_commands_are_read_as_a_shell_would() -> None:
    block = Block("page", 10, "", ("mli fleet a.csv \\", "    --group g      # why", "# note",
                                   "UPDATE_SNAPSHOTS=1 pytest tests && npm ci"))  # fmt: skip
    first, second = block.commands()
    assert block.is_shell
    assert (first.line, first.text) == (10, "mli fleet a.csv --group g")
    assert list(second.simple()) == [["pytest", "tests"], ["npm", "ci"]]
    assert set(command_checks.CHECKS) >= {"pytest", "mli"}


def test_output_after_a_prompt_is_no_command() -> None:
    block = Block("page", 1, "", ("$ npx cdk synth -c topK=3", "1 fault in the context"))
    assert [command.text for command in block.commands()] == ["npx cdk synth -c topK=3"]
