"""Runs the app for one core as the CDK CLI does, and checks its templates with cfn-lint."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.schema import strict_json

from ..errors import MliError

REPOSITORY = Path(__file__).resolve().parents[2]

IGNORED_RULES: Mapping[str, str] = {
    "W3696": "Greengrass V1 is shut down: the app says so itself.",
    "W3005": "The CDK's Lambda function depends on its role both ways; harmless.",
}
"""Rules of cfn-lint that do not apply here, each with its reason."""

_NOISE = ("jsii.errors.JavaScriptError", "Traceback (most recent call last)")
"""Where the message of a failed synthesis ends, and the stack traces begin."""

_HARMLESS = ("info", "warning")


@dataclass(frozen=True)
class CoreFile:
    """A core that a file describes by its context."""

    path: Path
    context: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> CoreFile:
        """Read a JSON object of context keys.

        Raises:
            MliError: if it is not one.
        """
        try:
            context = strict_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise MliError(f"{path}: is not JSON ({error})") from None
        if not isinstance(context, dict):
            raise MliError(f'{path}: must be an object of context keys, {{"coreName": …}}')
        return cls(path, context)


@dataclass(frozen=True)
class Synthesised:
    """The result for a core: the templates of its stacks, or why there are none."""

    file: Path
    templates: tuple[Path, ...] = ()
    fault: str = ""


def synthesise(core: CoreFile, folder: Path) -> Synthesised:
    """Run ``app.py`` with the core's context, and put the assembly into ``folder``.

    Paths in the context start at the root of the repository. Warnings go to stderr.
    """
    if folder.exists() and not (folder / "manifest.json").exists() and any(folder.iterdir()):
        return Synthesised(
            core.path, fault=f"{folder} is not empty, and is not an assembly: remove it"
        )
    shutil.rmtree(folder, ignore_errors=True)
    frozen = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    environment = {
        **os.environ,
        "CDK_CONTEXT_JSON": json.dumps({**frozen, **core.context}),
        "CDK_OUTDIR": str(folder.resolve()),
    }
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        fault = "\n  ".join(_violations(folder)) or _reason(done.stdout + done.stderr)
        return Synthesised(core.path, fault=fault)
    sys.stderr.write(done.stderr)
    return Synthesised(core.path, tuple(sorted(folder.glob("*.template.json"))))


def lint(templates: Sequence[Path]) -> list[str]:
    """Return the findings of cfn-lint as one text, if there are any.

    Raises:
        MliError: if cfn-lint is not installed.
    """
    linter = Path(sys.executable).with_name("cfn-lint")
    if not linter.exists():
        raise MliError("cfn-lint is not installed: run `make setup`")
    command = [str(linter), "--regions", "us-east-1", "--ignore-checks", *IGNORED_RULES, "--"]
    done = subprocess.run(
        [*command, *map(str, templates)], capture_output=True, text=True, check=False
    )
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0 and not said:
        said = f"cfn-lint ended with status {done.returncode}"
    return [said] if said else []


def _violations(folder: Path) -> list[str]:
    """Return what CloudFormation's rules and cdk-nag found, from their report.

    They print it as well, but from another process, in an order that depends on the machine.
    """
    report = folder / "validation-report.json"
    if not report.exists():
        return []
    plugins = json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
    return [
        f"{construct['constructPath']}: {violation['description']} ({violation['ruleName']})"
        for plugin in plugins
        if plugin["conclusion"] == "failure"
        for violation in plugin["violations"]
        if violation.get("severity") not in _HARMLESS
        for construct in violation["violatingConstructs"]
    ]


def _reason(said: str) -> str:
    """Return what the app printed before the stack traces."""
    for noise in _NOISE:
        said = said.partition(noise)[0]
    return said.strip() or "app.py printed nothing; run `npx cdk synth` with this context"
