"""``mli fleet``: provisions the cores of a fleet, many at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import click

from ..aws import aws_options, clients, explain
from ..cli.options import RenamedOption, dry_run_option
from ..cli.output import FAILED, INTERRUPTED, Output, examples, reporting
from ..device.fleet_stack import FleetStack
from ..device.options import nucleus_option, root_ca_option
from ..device.owner_names import FleetName
from ..device.package_layout import Nucleus
from ..device.stack_outputs import Clients
from ..device.v2 import latest_deployment
from ..errors import MliError
from .core import ARCHIVE, EXPECTED, CoreCreator, ends_everything
from .core_list import FleetCore, read_list
from .journal import Journal

_EXAMPLES = examples(
    "mli fleet add cores.csv --fleet shop-floor",
    "mli fleet add cores.csv --fleet shop-floor --dry-run",
    "mli fleet add cores.yaml --fleet pumps --nucleus lite --output pumps",
)
INTERRUPTION = "interrupted"
_MOST_SHOWN = 20


@click.command("add", epilog=_EXAMPLES)
@click.argument("cores", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--fleet",
    "fleet_name",
    type=FleetName(),
    required=True,
    help="The fleet that the cores join: the fleetName of its stack.",
)
@click.option(
    "--output",
    "--out",
    "folder",
    cls=RenamedOption,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder for the archives and the journal; default: fleet/FLEET.",
)
@nucleus_option
@click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=4,
    show_default=True,
    help="Cores to provision at once. AWS IoT accepts about ten requests of a kind per second.",
)
@dry_run_option
@root_ca_option
@aws_options
@reporting
def fleet(
    output: Output,
    cores: Path,
    fleet_name: str,
    folder: Path | None,
    nucleus: str,
    workers: int,
    dry_run: bool,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Provision every core of the list CORES, and put it into the fleet.

    CORES is CSV or YAML: coreName, and certificateSigningRequest if the key is on the device. Each
    core gets a thing, a certificate, its own policies, membership in the fleet's thing group, and
    an archive for its device in the folder --output. The fleet's stack deploys to the group, also
    to cores that join later. With the journal in that folder the command can be resumed: when
    repeated, it continues where it ended. No template grows with the fleet.
    """
    wanted = read_list(cores)
    of = clients(region, aws_profile)
    found = FleetStack.find(of, fleet_name)
    deployed = deployed_components(of, found)
    if dry_run:
        output.result(
            {"cores": [core.name for core in wanted], "components": deployed},
            f"{len(wanted)} cores would be created, each with {_listed(deployed)}; nothing was "
            "done",
        )
        return
    folder = folder or Path("fleet") / fleet_name
    result = Result()
    about = {"fleet": fleet_name, "place": found.place}
    with Journal(_prepared(folder) / "journal.jsonl", about) as journal:
        creator = CoreCreator(
            of("iot"),
            found,
            journal,
            folder=folder,
            nucleus=cast(Nucleus, nucleus),
            root_ca=root_ca,
        )
        create_all(creator.create, wanted, workers, result, output)
    values, text = summary(result, deployed, folder, wanted)
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


def deployed_components(clients: Clients, fleet: FleetStack) -> dict[str, str]:
    """Return the versions, by component, that the fleet's stack deploys to its cores.

    Raises:
        MliError: if nothing is deployed to the fleet.
    """
    found = latest_deployment(clients("greengrassv2"), fleet.group_arn)
    components = found[1].get("components") if found else None
    if not components:
        raise MliError(
            f"nothing is deployed to the fleet {fleet.name}: deploy its stack "
            f"(npx cdk deploy -c fleetName={fleet.name} …)"
        )
    return {name: str(one["componentVersion"]) for name, one in components.items()}


def _listed(components: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(components.items()))


def summary(
    result: Result, components: Mapping[str, str], folder: Path, cores: list[FleetCore]
) -> tuple[dict[str, Any], str]:
    """Return what was done and what was not, for scripts and for people."""
    values = {
        "done": result.done,
        "failed": result.failed,
        "notBegun": sorted(result.not_begun),
        "components": dict(components),
        "folder": str(folder),
    }
    counts = f"{len(result.failed)} failed, {len(result.not_begun)} not begun"
    lines = [f"{len(result.done)} of {len(cores)} cores done, {counts}"]
    lines += [f"  {name}: {reason}" for name, reason in sorted(result.failed.items())][:_MOST_SHOWN]
    if result.ended is not None:
        lines.append(f"ended early: {result.ended}")
    if result.done:
        lines.append(f"they run {_listed(components)} as soon as they connect")
    if result.failed or result.not_begun:
        lines.append("Next, when the cause is fixed: the same command, which continues from here")
    else:
        lines += [
            f"Next: copy {folder}/CORE_NAME/{ARCHIVE} to each device (docs/fleet.md), then",
            "  mli watch --all",
        ]
    return values, "\n".join(lines)


def _prepared(folder: Path) -> Path:
    """Return the folder, created with a rule that makes git ignore its content."""
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        (folder / ".gitignore").write_text("*\n")
    elif not folder.is_dir():
        raise MliError(f"{folder} is not a folder")
    return folder
