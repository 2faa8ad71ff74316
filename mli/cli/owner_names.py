"""Names of cores and fleets as arguments, by the rule of ``-c coreName=`` and ``-c fleetName=``."""

from __future__ import annotations

import click

from inference.names import CORE_NAME_PATTERN
from inference.schema import text


class CoreName(click.ParamType):
    """The name of a core."""

    name = "CORE_NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail as wrong usage."""
        rule = "must be letters, digits, - and _, at most 64, the first a letter or digit"
        try:
            return text(CORE_NAME_PATTERN, rule)(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


class FleetName(CoreName):
    """The name of a fleet."""

    name = "FLEET"
