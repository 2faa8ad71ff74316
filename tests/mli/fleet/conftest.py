"""What the tests of fleets share."""

from __future__ import annotations

import pytest

from tests.mli.deployed_fleet import DeployedFleet


@pytest.fixture
def cores(fleet: DeployedFleet) -> list[str]:
    """Names of three cores, of which there is nothing yet."""
    return [f"{fleet.name}-{number}" for number in range(3)]
