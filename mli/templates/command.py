"""``templates``: synthesise every core of a folder, check the templates, and show what changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from ..cli.output import FAILED, Output, examples, reporting
from ..errors import MliError
from .snapshots import Comparison, compare, left_over
from .synthesis import REPOSITORY, CoreFile, Synthesised, lint, synthesise

_EXAMPLES = examples(
    "mli templates",
    "mli templates --update       # accept the templates as they are",
    "mli templates cores/Demo.json",
    "npx cdk deploy --all --app build/templates/Demo      # deploy what was checked",
)
_CERTIFICATE = "certificateId"
"""An id or an ARN, which ends in the id."""
_IDENTITIES = (_CERTIFICATE, "certificateSigningRequest")
_SNAPSHOTS = "snapshots"


@click.command(epilog=_EXAMPLES)
@click.argument("cores", type=click.Path(path_type=Path), default=Path("cores"))
@click.option("--update", is_flag=True, help="Accept the templates as they are now.")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=REPOSITORY / "build" / "templates",
    metavar="FOLDER",
    help="Folder for the assemblies, one folder per core; default: build/templates.",
)
@reporting
def templates(output: Output, cores: Path, update: bool, folder: Path) -> None:
    """Check the template of each core in the folder CORES, or of one file.

    A core is a JSON file of context keys. Its template must pass CloudFormation's rules, cdk-nag
    and cfn-lint, and must be identical to the accepted one, which CORES/snapshots holds in a
    readable form without digests of files. No AWS account is needed. The exit status is 1 if any
    core fails.
    """
    files = core_files(cores)
    results = _synthesise_all(output, files, folder)
    faults = [f"{core.file}: {core.fault}" for core in results if core.fault]
    sound = [core for core in results if not core.fault]
    faults += _same_stack(sound) + _same_certificate(files)
    if sound:
        output.say("cfn-lint")
        faults += lint([template for core in sound for template in core.templates])
    if faults:
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}; no template was compared"
        output.result({"faults": faults}, "\n".join([*faults, count]))
        sys.exit(FAILED)
    snapshots = (cores if cores.is_dir() else cores.parent) / _SNAPSHOTS
    found = [compare(core, template, snapshots) for core in sound for template in core.templates]
    gone = left_over(snapshots, [one.snapshot for one in found]) if cores.is_dir() else []
    if update:
        for one in found:
            one.accept()
        for path in gone:
            path.unlink()
    _report(output, found, gone, update)


def core_files(cores: Path) -> list[CoreFile]:
    """Return the cores of a folder, or the one of a file.

    Raises:
        MliError: if there are none, or naming each file that is not a JSON object.
    """
    paths = sorted(cores.glob("*.json")) if cores.is_dir() else [cores]
    if not paths:
        raise MliError(f"{cores}: holds no core, a .json file of context keys (docs/ci.md)")
    files, faults = [], []
    for path in paths:
        try:
            files.append(CoreFile.read(path))
        except MliError as error:
            faults.append(str(error))
    if faults:
        raise MliError("; ".join(faults))
    return files


def _synthesise_all(output: Output, files: Sequence[CoreFile], folder: Path) -> list[Synthesised]:
    """Synthesise each core in a process of its own, as many at once as there are processors."""
    results = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for one in pool.map(lambda file: synthesise(file, folder / file.path.stem), files):
            output.say(f"{one.file}: {'failed' if one.fault else 'synthesised'}")
            results.append(one)
    return results


def _same_stack(cores: Sequence[Synthesised]) -> list[str]:
    """Return a fault for each file with the stack of another file."""
    first: dict[str, Path] = {}
    faults = []
    for core in cores:
        for template in core.templates:
            other = first.setdefault(template.name, core.file)
            if other != core.file:
                stack = template.name.partition(".")[0]
                faults.append(
                    f"{core.file}: has the stack {stack}, as {other} has: "
                    "give it its own coreName or fleetName"
                )
    return faults


def _same_certificate(cores: Sequence[CoreFile]) -> list[str]:
    """Return a fault for each file with the certificate, or the request, of another file.

    Two cores with one identity disconnect each other, and one stack takes the other's policies.
    """
    first: dict[tuple[str, str], Path] = {}
    faults = []
    for core in cores:
        for key in _IDENTITIES:
            value = core.context.get(key)
            if not isinstance(value, str) or not value:
                continue
            identity = value.rpartition("/")[2] if key == _CERTIFICATE else _content(value)
            other = first.setdefault((key, identity), core.path)
            if other != core.path:
                faults.append(
                    f"{core.path}: has the {key} of {other}: give each core its own "
                    "(`mli certificate NAME`)"
                )
    return faults


def _content(value: str) -> str:
    """Return the content of the file that ``value`` names, if there is one, else ``value``."""
    try:
        return (REPOSITORY / value).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return value


def _report(
    output: Output, found: Sequence[Comparison], gone: Sequence[Path], updated: bool
) -> None:
    changed = [one for one in found if one.differs]
    text = [line for one in changed for line in one.diff]
    text += [f"{path}: belongs to no core any more" for path in gone]
    count = len(changed) + len(gone)
    total = f"{len(found)} template{'s' if len(found) != 1 else ''} checked"
    if not count:
        text.append(f"{total}; all are as accepted")
    elif updated:
        text.append(f"{total}; accepted what is shown above")
    else:
        text.append(f"{total}; {count} not as accepted: review this, then repeat with --update")
    values = {
        "templates": [str(one.template) for one in found],
        "changed": [str(one.snapshot) for one in changed],
        "leftOver": [str(path) for path in gone],
        "updated": updated,
    }
    output.result(values, "\n".join(text))
    if count and not updated:
        sys.exit(FAILED)
