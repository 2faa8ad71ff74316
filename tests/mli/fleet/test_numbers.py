"""Many cores, a tenth of all requests throttled, and processes that end: all done, none twice.

`MLI_FLEET_CORES=1000` runs it with a thousand cores.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mli.listings import principals
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.fleet import faults
from tests.mli.support import Commands

CORES = int(os.environ.get("MLI_FLEET_CORES", "25"))
ENDS = (3, 40, CORES, 2 * CORES)
"""The requests at which a process ends, before and after they are done."""


@pytest.mark.slow
def test_cores_are_created_and_removed_whatever_happens_in_between(
    commands: Commands, fleet: DeployedFleet
) -> None:
    cores = [f"{fleet.name}-{number}" for number in range(CORES)]
    Path("cores.csv").write_text("coreName\n" + "".join(f"{core}\n" for core in cores))
    before = _active(fleet)
    add = ("fleet", "add", "cores.csv", "--fleet", fleet.name, "--workers", "8")
    with faults.throttled(0.1, seed=7) as refused:
        _ended_at_times(commands, *add)
        said = commands.json(*add)
        assert sorted(said["done"]) == sorted(cores)
        assert len(refused) > CORES
    iot = fleet.cloud.client("iot")
    assert sorted(_members(fleet)) == sorted(map(names.thing_name, cores))
    for core in cores:
        [arn] = principals(iot, names.thing_name(core))
        assert arn.rpartition("/")[2] == said["done"][core]
    assert _active(fleet) - before == set(said["done"].values())
    retire = ("fleet", "retire", fleet.name, "--yes", "--workers", "8")
    with faults.throttled(0.1, seed=8):
        _ended_at_times(commands, *retire)
        commands.run(*retire)
    assert _members(fleet) == []
    assert _active(fleet) == before
    left = {one["policyName"] for one in _all(iot, "list_policies", "policies")}
    assert not [name for name in left if name.startswith(f"{fleet.name}-")]


def _ended_at_times(commands: Commands, *words: str) -> None:
    for number in ENDS:
        for is_answered in (False, True):
            with faults.killed_at(number, is_answered=is_answered), pytest.raises(faults.Killed):
                commands.run(*words)


def _members(fleet: DeployedFleet) -> list[str]:
    iot = fleet.cloud.client("iot")
    return _all(iot, "list_things_in_thing_group", "things", thingGroupName=fleet.name)


def _active(fleet: DeployedFleet) -> set[str]:
    """Return the ids of all active certificates of the account."""
    found = _all(fleet.cloud.client("iot"), "list_certificates", "certificates", pageSize=250)
    return {str(one["certificateId"]) for one in found if one["status"] == "ACTIVE"}


def _all(client: Any, operation: str, key: str, **request: Any) -> list[Any]:
    pages = client.get_paginator(operation).paginate(**request)
    return [item for page in pages for item in page[key]]
