"""``fleet status``: one table of all cores, from a few calls, however many they are."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from os import terminal_size
from typing import Any

import botocore.client
import botocore.endpoint
import pytest
from click.testing import _NamedTextIOWrapper

from inference.sources.status import LOST
from local_core.cloud import LocalCloud
from mli.device.reports import last_telemetry
from mli.device.reports.last_telemetry import LastTelemetry
from mli.device.reports.liveness import Health
from mli.fleet.reports.core_rows import CoreRow, FleetReport
from mli.fleet.reports.status import ATTENTION
from mli.fleet.reports.status_table import summary, table
from stacks import names
from tests.cloud.support import Stacks, publish_health
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import Commands, refusal
from tests.waiting import replace_time

DARK: Mapping[str, Any] = {
    "health": {"status": "degraded", "faults": ["no camera: rtsp://cam: no route"]},
    "sources": [{"name": "rtsp://cam", "state": LOST, "reason": "no route"}],
}


def core_names(number: int) -> list[str]:
    run = uuid.uuid4().hex[:6]
    return [f"press-{run}-{one:03}" for one in range(number)]


def healthy(cloud: LocalCloud, core_name: str, status: str = "HEALTHY") -> None:
    report = {"overallDeviceStatus": status, "ggcVersion": "2.18.1", "components": []}
    publish_health(cloud, names.thing_name(core_name), report)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each operation is called from now on."""
    counts: Counter[str] = Counter()
    inner = botocore.client.BaseClient._make_api_call

    def note(client: Any, operation: str, parameters: Any) -> Any:
        counts[operation] += 1
        return inner(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)
    return counts


def test_every_core_of_the_fleet_has_its_row_and_no_other(
    commands: Commands, fleet: DeployedFleet
) -> None:
    good, blind, mute = core_names(3)
    for name in (good, blind, mute):
        fleet.add(name)
    fleet.speak(good)
    fleet.speak(blind, **DARK)
    fleet.speak("a-former-core")
    healthy(fleet.cloud, good)
    fleet.report(good, "SUCCEEDED")
    said = commands.run("fleet", "status", fleet.name, code=ATTENTION)
    rows = {line.split()[0]: line for line in said.splitlines()}
    assert "a-former-core" not in said
    assert " ok " in rows[good]
    assert "SUCCEEDED" in rows[good]
    assert "classifier" in rows[good]
    assert "0123456789ab" in rows[good]
    assert "no camera" in rows[blind]
    assert "never heard" in rows[mute]
    assert f"3 cores of {fleet.name}: 1 never heard, 1 no camera, 1 ok" in said
    assert f"next: mli status {blind}" in said
    values = commands.json("fleet", "status", fleet.name, code=ATTENTION)
    found = {one["core"]: one for one in values["cores"]}
    assert {name: one["good"] for name, one in found.items()} == {
        good: True,
        blind: False,
        mute: False,
    }
    assert found[mute]["telemetry"] is None
    assert found[good]["telemetry"]["version"] == values["version"] == "1.0.0"


def test_fleet_is_good_until_a_core_falls_silent(
    commands: Commands, fleet: DeployedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = core_names(1)
    fleet.add(name)
    fleet.speak(name)
    assert commands.json("fleet", "status", fleet.name)["good"] is True
    inner = last_telemetry.time_in_aws
    monkeypatch.setattr(
        last_telemetry, "time_in_aws", lambda page: inner(page) + timedelta(minutes=5, seconds=20)
    )
    said = commands.run("fleet", "status", fleet.name, code=ATTENTION)
    assert "silent" in said
    assert "5 min" in said


@pytest.mark.parametrize(("status", "deployment"), [("UNHEALTHY", ""), ("HEALTHY", "FAILED")])
def test_core_that_speaks_but_has_failed_needs_attention(
    commands: Commands, fleet: DeployedFleet, status: str, deployment: str
) -> None:
    [name] = core_names(1)
    fleet.add(name)
    fleet.speak(name)
    healthy(fleet.cloud, name, status)
    if deployment:
        fleet.report(name, deployment)
    said = commands.run("fleet", "status", fleet.name, code=ATTENTION)
    condition = "deployment failed" if deployment else "unhealthy"
    assert f"1 core of {fleet.name}: 1 {condition};" in said
    assert " ok" not in said


def test_hundred_cores_take_as_many_calls_as_one(
    commands: Commands, fleet: DeployedFleet, calls: Counter[str]
) -> None:
    cores = core_names(100)
    for name in cores:
        fleet.add(name)
        fleet.speak(name)
    calls.clear()
    values = commands.json("fleet", "status", fleet.name)
    assert [one["core"] for one in values["cores"]] == cores
    assert calls == {
        "DescribeStacks": 1,
        "GetDeployment": 1,
        "ListCoreDevices": 1,
        "ListDeployments": 1,
        "ListJobExecutionsForJob": 1,
        "ListThingsInThingGroup": 1,
        "Scan": 1,
    }


def test_pages_of_the_scan_are_followed(
    commands: Commands, fleet: DeployedFleet, calls: Counter[str]
) -> None:
    """A page of a scan has at most 1 MB."""
    cores = core_names(3)
    for name in cores:
        fleet.add(name)
        fleet.speak(name)
    filler = {"S": "x" * 390_000}
    for name in core_names(4):
        fleet.cloud.client("dynamodb").put_item(
            TableName=Stacks(fleet.cloud).outputs(names.fleet_stack_name(fleet.name))[
                "TelemetryTable"
            ],
            Item={"core": {"S": name}, "received": {"N": "0"}, "model": filler},
        )
    calls.clear()
    assert commands.json("fleet", "status", fleet.name)["good"] is True
    assert calls["Scan"] == 2


def test_fleet_without_cores_is_no_fault(commands: Commands, fleet: DeployedFleet) -> None:
    said = commands.run("fleet", "status", fleet.name)
    assert f"next: mli fleet cores.csv --fleet {fleet.name}" in said


def test_throttling_is_waited_for(
    commands: Commands, fleet: DeployedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = core_names(1)
    fleet.add(name)
    fleet.speak(name)
    left = ["Scan", "ListThingsInThingGroup", "ListJobExecutionsForJob"]
    inner = botocore.client.BaseClient.__init__

    def throttled(client: Any, *arguments: Any, **options: Any) -> None:
        inner(client, *arguments, **options)

        def answer(request: Any, event_name: str, **more: Any) -> Any:
            operation = event_name.rpartition(".")[2]
            if operation not in left:
                return None
            left.remove(operation)
            return refusal("ThrottlingException", "slow down")(request)

        client.meta.events.register("before-send", answer)

    monkeypatch.setattr(botocore.client.BaseClient, "__init__", throttled)
    replace_time(monkeypatch, botocore.endpoint, sleep=lambda seconds: None)
    assert commands.json("fleet", "status", fleet.name)["good"] is True
    assert left == []


def test_fleet_of_an_older_version_is_named(commands: Commands, fleet: DeployedFleet) -> None:
    stacks, stack = Stacks(fleet.cloud), names.fleet_stack_name(fleet.name)
    outputs = {k: v for k, v in stacks.outputs(stack).items() if k != "TelemetryTable"}
    thing = {"ThingName": f"of-the-stack-{fleet.name}"}
    stacks.deploy(stack, {"Thing": {"Type": "AWS::IoT::Thing", "Properties": thing}}, outputs)
    said = commands.run("fleet", "status", fleet.name, code=1)
    assert "has no output TelemetryTable" in said
    assert "Deploy it again" in said


# The table.


def row(name: str, **changes: Any) -> CoreRow:
    telemetry = LastTelemetry(
        name, datetime(2026, 11, 27, tzinfo=UTC), model="m" * 60, per_second=2.0
    )
    values = {
        "health": Health.OK,
        "telemetry": telemetry,
        "age": 5.0,
        "deployment": "",
        "device": "",
    }
    return CoreRow(name, **{**values, **changes})


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 160])
def test_table_is_no_wider_than_the_terminal(width: int) -> None:
    report = FleetReport((row("press-1"), row("press-2", telemetry=None, age=None)), "1.0.0", "abc")
    lines = table(report, width).splitlines()
    assert max(map(len, lines[:3])) <= width
    assert lines[1].startswith("press-1")
    assert ("too narrow for" in lines[-1]) is (width < 160)


def test_table_without_a_terminal_has_all_columns() -> None:
    head = table(FleetReport((row("press-1"),), "1.0.0", "abc"), None).splitlines()[0]
    assert head.split() == [
        *("core", "health", "heard", "frames/s", "deployment", "component", "model"),
        *("configuration", "nucleus"),
    ]


def test_terminal_s_width_is_used(
    commands: Commands, fleet: DeployedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = core_names(1)
    fleet.add(name)
    fleet.speak(name)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: terminal_size((50, 20)))
    assert "nucleus" in commands.run("fleet", "status", fleet.name).splitlines()[0]
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda stream: True, raising=False)
    assert "nucleus" not in commands.run("fleet", "status", fleet.name).splitlines()[0]


def test_cells_are_harmless_and_stay_on_their_line() -> None:
    telemetry = LastTelemetry(
        "a", datetime(2026, 11, 27, tzinfo=UTC), faults=("\x1b]0;x\x07\nb: c",), model="\n"
    )
    report = FleetReport((row("a", telemetry=telemetry, health=Health.DEGRADED),), "1.0.0", "abc")
    shown = table(report, None) + summary(report, "hall")
    assert len(table(report, None).splitlines()) == 2
    assert shown.replace("\n", "").isprintable()
