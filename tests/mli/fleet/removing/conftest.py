"""What the tests of removals share."""

from __future__ import annotations

import pytest

from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import Commands

from .leftovers import add


@pytest.fixture
def cores(commands: Commands, fleet: DeployedFleet) -> list[str]:
    """Two cores of the fleet, created."""
    listed = [f"{fleet.name}-{number}" for number in range(2)]
    add(commands, fleet, listed)
    return listed
