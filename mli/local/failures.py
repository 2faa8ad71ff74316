"""Failures of the local cloud and the local core, as the commands report them."""

from __future__ import annotations

import click

from local_core.errors import LocalCoreError
from models.store import DamagedModelError

FAILURES = (LocalCoreError, DamagedModelError, OSError)
"""What a user can fix; anything else is a mistake in this project, and shows its traceback."""


def reported(failure: Exception) -> click.ClickException:
    """Return the exception that ends a command with the failure's message and exit status."""
    end = click.ClickException(str(failure))
    end.exit_code = getattr(failure, "exit_code", end.exit_code)
    return end
