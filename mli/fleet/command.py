"""``fleet``: many cores at once, by the pattern of one."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import click

from stacks import names

from ..aws import aws_options, clients, explain
from ..cli.output import FAILED, INTERRUPTED, Output, ToolError, examples, reporting
from ..device import keyfiles
from ..device.core_stack import Clients, CoreName
from ..device.package_layout import Nucleus
from .core import ARCHIVE, EXPECTED, CoreMaker, ends_everything
from .core_list import FleetCore, read_list
from .journal import Journal
from .pattern import Pattern, read_pattern

_EXAMPLES = examples(
    "mli fleet cores.csv --pattern Demo --group shop-floor",
    "mli fleet cores.csv --pattern Demo --group shop-floor --dry-run",
    "mli fleet cores.yaml --pattern Demo --group pumps --nucleus lite --out pumps",
)
INTERRUPTION = "interrupted"
_MOST_SHOWN = 20


@click.command(epilog=_EXAMPLES)
@click.argument("cores", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--pattern", type=CoreName(), required=True, help="The core whose stack the others follow."
)
@click.option("--group", required=True, help="Thing group of the fleet, made if it is not there.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Default: fleet/GROUP."
)
@click.option(
    "--nucleus",
    type=click.Choice(["classic", "lite"]),
    default="classic",
    show_default=True,
    help="What runs on the devices.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=4,
    show_default=True,
    help="Cores in work at once; AWS IoT takes about ten requests of a kind a second.",
)
@click.option("--no-deploy", is_flag=True, help="Make the cores, and deploy nothing to the group.")
@click.option("--dry-run", is_flag=True, help="Check the list and the pattern, and make nothing.")
@click.option(
    "--root-ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar=keyfiles.ROOT_CA_VARIABLE,
    help=f"Authority of the endpoints, if not Amazon's [{keyfiles.ROOT_CA_VARIABLE}].",
)
@aws_options
@reporting
def fleet(
    output: Output,
    cores: Path,
    pattern: str,
    group: str,
    out: Path | None,
    nucleus: str,
    workers: int,
    no_deploy: bool,
    dry_run: bool,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Provision every core of the list CORES, and deploy one component version to all of them.

    CORES is CSV or YAML: coreName, and if the key is on the device certificateSigningRequest. Each
    core gets a thing, a certificate, policies of its own, a place in the thing group, and an
    archive for its device in the folder --out. A journal there makes the command resumable:
    repeated, it goes on where it ended. No template grows with the fleet.
    """
    if not re.fullmatch(names.THING_GROUP_PATTERN, group):
        raise click.UsageError("--group must be letters, digits, :, _ and -, at most 128")
    wanted = read_list(cores)
    if any(core.name == pattern for core in wanted):
        raise ToolError(f"{cores}: {pattern} is the pattern, which has its own stack: leave it out")
    of = clients(region, aws_profile)
    found = read_pattern(of, pattern)
    if dry_run:
        output.result(
            {"cores": [core.name for core in wanted], "component": found.component},
            f"{len(wanted)} cores would be made, each with {found.component}; nothing was done",
        )
        return
    folder = out or Path("fleet") / group
    result = Result()
    about = {"group": group, "pattern": pattern, "place": found.place}
    with Journal(_prepared(folder) / "journal.jsonl", about) as journal:
        group_arn = _group(of("iot"), group)
        maker = CoreMaker(
            of("iot"),
            found,
            journal,
            group=group,
            folder=folder,
            nucleus=cast(Nucleus, nucleus),
            root_ca=root_ca,
        )
        make_all(maker.make, wanted, workers, result, output)
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
    """What of a fleet was done: certificates by core, faults by core, and who was not begun."""

    done: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    not_begun: list[str] = field(default_factory=list)
    ended: str | None = None
    deployment: str | None = None
    is_new: bool = False


def make_all(
    make: Callable[[FleetCore], str],
    cores: list[FleetCore],
    workers: int,
    result: Result,
    output: Output,
) -> None:
    """Make all cores. One's own fault is noted and the others go on; a common one ends it all.

    So does Ctrl-C: what has begun is finished, since each step is soon done.
    """
    is_over = threading.Event()

    def end(reason: str) -> None:
        result.ended = result.ended or reason
        is_over.set()

    def work(core: FleetCore) -> str | None:
        try:
            return None if is_over.is_set() else make(core)
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
    """Deploy the pattern's component to the group, unless just that is deployed.

    So a group that the pattern's stack deploys to (``thingGroupName``) is left to it. Return the
    deployment's id and whether it is new. The thing group's job is continuous: cores that join the
    group later are deployed to as well.
    """
    greengrass = clients("greengrassv2")
    request = pattern.group_deployment(group_arn, name)
    listed = greengrass.list_deployments(targetArn=group_arn, historyFilter="LATEST_ONLY")
    for item in listed.get("deployments", []):
        present = greengrass.get_deployment(deploymentId=item["deploymentId"])
        if present["deploymentStatus"] == "ACTIVE" and _same(present, request):
            return str(item["deploymentId"]), False
    return str(greengrass.create_deployment(**request)["deploymentId"]), True


def summary(
    result: Result, pattern: Pattern, folder: Path, cores: list[FleetCore]
) -> tuple[dict[str, Any], str]:
    """Return what was and was not done, for scripts and for people."""
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
        state = "made" if result.is_new else "is there already"
        lines.append(f"deployment {result.deployment} of {pattern.component} {state}")
    if result.failed or result.not_begun:
        lines.append("Next, when the cause is gone: the same command, which goes on from here")
    else:
        lines += [
            f"Next: bring {folder}/CORE_NAME/{ARCHIVE} to each device (docs/fleet.md), then",
            "  mli watch --all",
        ]
    return values, "\n".join(lines)


def _group(iot: Any, name: str) -> str:
    """Return the ARN of the thing group, made if it is not there."""
    try:
        return str(iot.describe_thing_group(thingGroupName=name)["thingGroupArn"])
    except iot.exceptions.ResourceNotFoundException:
        return str(iot.create_thing_group(thingGroupName=name)["thingGroupArn"])


def _prepared(folder: Path) -> Path:
    """Return the folder, made so that git ignores what is in it."""
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        (folder / ".gitignore").write_text("*\n")
    elif not folder.is_dir():
        raise ToolError(f"{folder} is no folder")
    return folder


def _same(present: dict[str, Any], request: dict[str, Any]) -> bool:
    """Return whether a deployment has the content of a request, texts of JSON compared as such."""

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
