"""``mli clean``: deletes the versions of a component that no core needs any more."""

from __future__ import annotations

import click

from stacks import names

from ...aws import Clients, aws_options, clients
from ...cli.options import dry_run_option
from ...cli.output import Output, examples, reporting
from ...cli.owner_names import CoreName
from ...errors import MliError
from ..options import yes_option
from ..work import MOST_SHOWN
from .versions import Cleaning, cleaning_of, delete, has_stack, versions_of

_EXAMPLES = examples(
    "mli clean shop-floor          # lists what would be deleted",
    "mli clean shop-floor --yes",
    "mli clean Demo --yes",
)


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=CoreName())
@dry_run_option
@yes_option
@aws_options
@reporting
def clean(
    output: Output,
    name: str,
    dry_run: bool,
    yes: bool,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Delete old component versions of the core or fleet NAME, and their artifacts.

    A version is kept if the latest deployment of any target names it, or if any core has it
    installed. The newest version is kept too, unless the stack was deleted. The artifacts
    of a version that is kept stay, including those that it shares with old versions. Without --yes
    the command only lists.
    """
    of = clients(region, aws_profile)
    found = _component_of(of, name)
    if found is None:
        raise MliError(
            f"there is no component {names.component_name(name)} and no component "
            f"{names.fleet_component_name(name)} in {of('greengrassv2').meta.region_name}: "
            "is it in another Region? Give its --region"
        )
    component, stack = found
    cleaning = cleaning_of(of, component, has_stack=has_stack(of, stack))
    lines = _lines(cleaning)
    if yes and not dry_run:
        has_stack(of, stack)  # raises if a deployment has begun while many cores were asked
        delete(of, cleaning, output.status)
        lines.append("deleted; the bucket keeps the objects for 30 days (docs/resources.md)")
    elif cleaning.versions or cleaning.objects:
        fix = "leave --dry-run out" if yes else "add --yes"
        lines.append(f"nothing was deleted; {fix} to delete this")
    values = {"component": component, "deleted": yes and not dry_run, **cleaning.to_json()}
    output.result(values, "\n".join(lines))


def _component_of(clients: Clients, name: str) -> tuple[str, str] | None:
    """Return the component of a core or fleet that has any version, and the name of its stack."""
    for component, stack in (
        (names.component_name(name), names.stack_name(name)),
        (names.fleet_component_name(name), names.fleet_stack_name(name)),
    ):
        if next(versions_of(clients, component), None) is not None:
            return component, stack
    return None


def _lines(cleaning: Cleaning) -> list[str]:
    lines = [f"kept: version {number}, {why}" for number, why in sorted(cleaning.kept.items())]
    old = [f"old: version {version.number}" for version in cleaning.versions]
    old += [f"old: {uri}" for uri in cleaning.objects]
    more = len(old) - MOST_SHOWN
    return [*lines, *old[:MOST_SHOWN], *([f"… and {more} more"] if more > 0 else [])] + (
        [] if old else ["there is nothing to delete"]
    )
