"""``mli fleet``: provisions many cores at once, with one core as the pattern."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import click

from stacks import names

from ..aws import aws_options, clients, explain
from ..cli.options import RenamedOption, dry_run_option
from ..cli.output import FAILED, INTERRUPTED, Output, examples, reporting
from ..device.core_stack import Clients, CoreName
from ..device.options import nucleus_option, root_ca_option
from ..device.package_layout import Nucleus
from ..device.v2 import latest_deployment
from ..errors import MliError
from .core import ARCHIVE, EXPECTED, CoreCreator, ends_everything
from .core_list import FleetCore, read_list
from .journal import Journal
from .pattern import Pattern, read_pattern

_EXAMPLES = examples(
    "mli fleet cores.csv --pattern Demo --group shop-floor",
    "mli fleet cores.csv --pattern Demo --group shop-floor --dry-run",
    "mli fleet cores.yaml --pattern Demo --group pumps --nucleus lite --output pumps",
)
INTERRUPTION = "interrupted"
_MOST_SHOWN = 20


@click.command(epilog=_EXAMPLES)
@click.argument("cores", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--pattern",
    type=CoreName(),
    required=True,
    help="The core whose stack is the pattern for the others.",
)
@click.option(
    "--group", required=True, metavar="NAME", help="Thing group of the fleet, created if missing."
)
@click.option(
    "--output",
    "--out",
    "folder",
    cls=RenamedOption,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder for the archives and the journal; default: fleet/GROUP.",
)
@nucleus_option
@click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=4,
    show_default=True,
    help="Cores to provision at once. AWS IoT accepts about ten requests of a kind per second.",
)
@click.option(
    "--no-deploy", is_flag=True, help="Create the cores, but deploy nothing to the group."
)
@dry_run_option
@root_ca_option
@aws_options
@reporting
def fleet(
    output: Output,
    cores: Path,
    pattern: str,
    group: str,
    folder: Path | None,
    nucleus: str,
    workers: int,
    no_deploy: bool,
    dry_run: bool,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Provision every core of the list CORES, and deploy one component version to all of them.

    CORES is CSV or YAML: coreName, and certificateSigningRequest if the key is on the device. Each
    core gets a thing, a certificate, its own policies, membership in the thing group, and an
    archive for its device in the folder --output. With the journal there the command can be
    resumed: when repeated, it continues where it ended. No template grows with the fleet.
    """
    if not re.fullmatch(names.THING_GROUP_PATTERN, group):
        raise click.UsageError("--group must be letters, digits, _ and -, at most 128")
    wanted = read_list(cores, pattern=pattern)
    of = clients(region, aws_profile)
    found = read_pattern(of, pattern)
    if dry_run:
        output.result(
            {"cores": [core.name for core in wanted], "component": found.component},
            f"{len(wanted)} cores would be created, each with {found.component}; nothing was done",
        )
        return
    folder = folder or Path("fleet") / group
    result = Result()
    about = {"group": group, "pattern": pattern, "place": found.place}
    with Journal(_prepared(folder) / "journal.jsonl", about) as journal:
        group_arn = _group(of("iot"), group)
        creator = CoreCreator(
            of("iot"),
            found,
            journal,
            group=group,
            folder=folder,
            nucleus=cast(Nucleus, nucleus),
            root_ca=root_ca,
        )
        create_all(creator.create, wanted, workers, result, output)
    if result.ended is None and not no_deploy:
        result.deployment, result.is_new = deploy_to_group(of, found, group_arn, group)
    values, text = summary(result, found, folder, wanted)
    output.result(values, text)
    if result.ended == INTERRUPTION:
        sys.exit(INTERRUPTED)
    if result.failed or result.not_begun:
        sys.exit(FAILED)


@dataclass
class Result:
    """What was done: certificates by core, faults by core, and the cores that were not begun."""

    done: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    not_begun: list[str] = field(default_factory=list)
    ended: str | None = None
    deployment: str | None = None
    is_new: bool = False


def create_all(
    create: Callable[[FleetCore], str],
    cores: list[FleetCore],
    workers: int,
    result: Result,
    output: Output,
) -> None:
    """Create all cores. A fault of one core is noted, the others continue; a common one ends all.

    So does Ctrl-C: the cores in work are finished, since each step is short.
    """
    is_over = threading.Event()

    def end(reason: str) -> None:
        result.ended = result.ended or reason
        is_over.set()

    def work(core: FleetCore) -> str | None:
        try:
            return None if is_over.is_set() else create(core)
        except Exception as error:
            if ends_everything(error):
                end(explain(error))
            raise

    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(work, core): core for core in cores}
        try:
            for _ in as_completed(waiting):
                output.status(f"{sum(f.done() for f in waiting)} of {len(cores)} cores …")
        except KeyboardInterrupt:
            end(INTERRUPTION)
    for future, core in waiting.items():
        error = future.exception()
        if isinstance(error, EXPECTED):
            result.failed[core.name] = explain(error)
        elif identity := future.result():
            result.done[core.name] = identity
        else:
            result.not_begun.append(core.name)


def deploy_to_group(
    clients: Clients, pattern: Pattern, group_arn: str, name: str
) -> tuple[str, bool]:
    """Deploy the pattern's component to the group, unless exactly that is deployed.

    So a group that the pattern's stack deploys to (``thingGroupName``) is left to the stack. Return
    the deployment's id and whether it is new. The thing group's job is continuous: cores that join
    the group later get the deployment too.
    """
    greengrass = clients("greengrassv2")
    request = pattern.group_deployment(group_arn, name)
    latest = latest_deployment(greengrass, group_arn)
    if latest is not None:
        identity, present = latest
        if present["deploymentStatus"] == "ACTIVE" and _same(present, request):
            return identity, False
    return str(greengrass.create_deployment(**request)["deploymentId"]), True


def summary(
    result: Result, pattern: Pattern, folder: Path, cores: list[FleetCore]
) -> tuple[dict[str, Any], str]:
    """Return what was done and what was not, for scripts and for people."""
    values = {
        "done": result.done,
        "failed": result.failed,
        "notBegun": sorted(result.not_begun),
        "component": pattern.component,
        "deploymentId": result.deployment,
        "deploymentMade": result.is_new,
        "folder": str(folder),
    }
    counts = f"{len(result.failed)} failed, {len(result.not_begun)} not begun"
    lines = [f"{len(result.done)} of {len(cores)} cores done, {counts}"]
    lines += [f"  {name}: {reason}" for name, reason in sorted(result.failed.items())][:_MOST_SHOWN]
    if result.ended is not None:
        lines.append(f"ended early: {result.ended}")
    if result.deployment is not None:
        state = "created" if result.is_new else "already exists"
        lines.append(f"deployment {result.deployment} of {pattern.component} {state}")
    if result.failed or result.not_begun:
        lines.append("Next, when the cause is fixed: the same command, which continues from here")
    else:
        lines += [
            f"Next: copy {folder}/CORE_NAME/{ARCHIVE} to each device (docs/fleet.md), then",
            "  mli watch --all",
        ]
    return values, "\n".join(lines)


def _group(iot: Any, name: str) -> str:
    """Return the ARN of the thing group, which is created if it is missing."""
    try:
        return str(iot.describe_thing_group(thingGroupName=name)["thingGroupArn"])
    except iot.exceptions.ResourceNotFoundException:
        return str(iot.create_thing_group(thingGroupName=name)["thingGroupArn"])


def _prepared(folder: Path) -> Path:
    """Return the folder, created with a rule that makes git ignore its content."""
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        (folder / ".gitignore").write_text("*\n")
    elif not folder.is_dir():
        raise MliError(f"{folder} is not a folder")
    return folder


def _same(present: Mapping[str, Any], request: dict[str, Any]) -> bool:
    """Return whether a deployment has the content of a request; JSON is compared as values."""

    def plain(components: dict[str, Any]) -> Any:
        return {
            name: {
                "version": component["componentVersion"],
                "reset": (component.get("configurationUpdate") or {}).get("reset"),
                "merge": json.loads(
                    (component.get("configurationUpdate") or {}).get("merge") or "{}"
                ),
            }
            for name, component in components.items()
        }

    return bool(plain(present.get("components") or {}) == plain(request["components"]))
