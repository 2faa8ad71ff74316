"""``status`` tells a core that is silent, or blind, from one that works."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inference.names import TELEMETRY_SECONDS
from inference.settings import InferenceSettings
from inference.sources import status as source
from local_core.cloud import LocalCloud
from mli.device.reports import last_telemetry
from mli.device.reports.last_telemetry import LastTelemetry, parsed_item
from mli.device.reports.liveness import Health, health_of, short_age
from tests.mli.support import CAMERA, Commands, DeployedCore

Later = Callable[[float], None]
LOST: Mapping[str, Any] = {
    "name": "rtsp://cam",
    "state": source.LOST,
    "reason": "no route to host",
}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let the clock of AWS be later for the command than it is."""
    inner = last_telemetry.time_in_aws

    def move(seconds: float) -> None:
        def moved(reply: Mapping[str, Any]) -> datetime:
            return inner(reply) + timedelta(seconds=seconds)

        monkeypatch.setattr(last_telemetry, "time_in_aws", moved)

    return move


def next_line(said: str) -> str:
    [line] = [line for line in said.splitlines() if line.startswith("next: ")]
    return line


def test_core_that_speaks_is_shown_with_all_that_it_says(
    commands: Commands, core: DeployedCore
) -> None:
    core.report("SUCCEEDED")
    core.speak(latencyMs={"inference": {"p50": 30.0, "p95": 40.5}})
    said = commands.run("status", core.name)
    assert f"runs: {core.component} 1.0.0, model classifier" in said
    assert "camera static: streaming" in said
    assert "inference p50 30 ms, p95 40.5 ms, 0 messages wait" in said
    assert next_line(said) == f"next: mli watch {core.name}"
    values = commands.json("status", core.name)
    assert values["good"] is True
    assert values["liveness"]["status"] == "ok"
    assert 0 <= values["liveness"]["ageSeconds"] < TELEMETRY_SECONDS
    assert values["liveness"]["telemetry"]["inferenceMs"] == {"p50": 30.0, "p95": 40.5}


def test_core_whose_component_was_stopped_is_not_told_to_check_the_camera(
    commands: Commands, core: DeployedCore
) -> None:
    core.report("SUCCEEDED")
    core.speak(sources=[{"name": "rtsp://cam", "state": source.STOPPED}])
    said = commands.run("status", core.name, code=1)
    assert "camera rtsp://cam: stopped" in said
    assert next_line(said).startswith(
        "next: was the component stopped, or the device switched off?"
    )


def test_core_whose_component_was_uninstalled_is_not_searched_for(
    commands: Commands, core: DeployedCore
) -> None:
    core.cloud.client("greengrassv2").create_deployment(targetArn=core.thing_arn, components={})
    core.report("SUCCEEDED")
    core.speak(sources=[{"name": "rtsp://cam", "state": source.STOPPED}])
    said = commands.run("status", core.name, code=1)
    assert next_line(said).startswith("next: no deployment has the component any more")
    assert "deployed is" not in said
    assert commands.json("status", core.name, code=1)["liveness"]["configurationDeployed"] is None
    core.speak()
    assert next_line(commands.run("status", core.name)) == f"next: mli watch {core.name}"


def test_core_that_is_silent_for_three_intervals_fails_although_greengrass_calls_it_healthy(
    commands: Commands, core: DeployedCore, later: Later
) -> None:
    core.report("SUCCEEDED")
    core.speak()
    later(2.9 * TELEMETRY_SECONDS)
    commands.run("status", core.name)
    later(3.1 * TELEMETRY_SECONDS)
    said = commands.run("status", core.name, code=1)
    assert "HEALTHY" in said
    assert "last heard: 3 min ago: SILENT, expected every 60 s" in said
    assert "sudo systemctl status greengrass" in next_line(said)
    assert "mli watch" not in said
    assert commands.json("status", core.name, code=1)["good"] is False
    core.speak()
    later(0)
    commands.run("status", core.name)


def test_interval_is_the_one_of_the_telemetry(
    commands: Commands, core: DeployedCore, later: Later
) -> None:
    core.report("SUCCEEDED")
    core.speak(intervalSeconds=600)
    later(1_700)
    commands.run("status", core.name)
    later(1_900)
    assert "SILENT, expected every 600 s" in commands.run("status", core.name, code=1)


def test_core_that_never_spoke_is_not_good(commands: Commands, core: DeployedCore) -> None:
    core.report("SUCCEEDED")
    said = commands.run("status", core.name, code=1)
    assert "last heard: never" in said
    assert core.component in next_line(said)


def test_dark_camera_fails_and_is_named(commands: Commands, core: DeployedCore) -> None:
    core.report("SUCCEEDED")
    core.speak(sources=[CAMERA, LOST])
    said = commands.run("status", core.name, code=1)
    assert "camera rtsp://cam: lost: no route to host" in said
    assert next_line(said).startswith("next: check rtsp://cam,")


def test_fault_that_is_not_of_a_camera_fails_too(commands: Commands, core: DeployedCore) -> None:
    core.report("SUCCEEDED")
    core.speak(health={"status": "degraded", "faults": ["no bucket: it is gone"]})
    said = commands.run("status", core.name, code=1)
    assert "fault: no bucket: it is gone" in said
    assert "docs/troubleshooting.md" in next_line(said)


def test_component_that_is_broken_is_explained_by_its_log_and_not_by_its_silence(
    commands: Commands, core: DeployedCore, later: Later
) -> None:
    core.report("FAILED", "it broke", state="BROKEN")
    core.speak(health={"status": "degraded", "faults": ["no model: x"]})
    later(1_000)
    said = commands.run("status", core.name, code=1)
    assert "SILENT" in said
    assert f"mli redeploy {core.name}" in said


def test_configuration_in_use_is_compared_with_the_deployed_one(
    commands: Commands, core: DeployedCore
) -> None:
    deployed = InferenceSettings.from_configuration({"coreName": "any", "topK": 5}).digest()
    core.report("SUCCEEDED")
    core.speak()
    said = commands.run("status", core.name)
    assert f"configuration: 0123456789ab; deployed is {deployed}, which it has not" in said
    core.speak(configuration=deployed)
    assert f"configuration: {deployed}, as deployed" in commands.run("status", core.name)


def test_stack_of_an_older_version_is_named(cloud: LocalCloud, commands: Commands) -> None:
    core = DeployedCore.deployed(cloud, generation=2, keeps_telemetry=False)
    core.report("SUCCEEDED")
    said = commands.run("status", core.name, code=1)
    assert "last heard: unknown: its stack does not keep telemetry" in said
    assert f"npx cdk deploy -c coreName={core.name}" in said


def test_table_that_is_gone_is_named(commands: Commands, core: DeployedCore) -> None:
    core.report("SUCCEEDED")
    core.cloud.client("dynamodb").delete_table(TableName=core.table())
    said = commands.run("status", core.name, code=1)
    assert f"the table {core.table()} is gone: deploy the stack again" in said


def test_message_that_has_waited_on_the_core_counts_from_its_arrival(
    commands: Commands, core: DeployedCore
) -> None:
    core.report("SUCCEEDED")
    core.speak(timestamp="2026-01-01T00:00:00.000+00:00")
    said = commands.run("status", core.name)
    assert "written 2026-01-01T00:00:00.000+00:00 by the core's clock" in said


HOSTILE: Mapping[str, Mapping[str, Any]] = {
    "lists for texts": {"timestamp": [1], "component": {"a": 1}, "configuration": [None]},
    "texts for numbers": {"intervalSeconds": "often", "frames": {"perSecond": "fast"}},
    "no end": {"intervalSeconds": 1e100, "publish": {"queued": 1e100}},
    "sources that are a number": {"sources": 7, "health": {"status": 3, "faults": "many"}},
    "sources without a name": {"sources": [None, {}, {"name": 5, "state": []}]},
    "escapes": {"sources": [{"name": "\x1b]0;x\x07", "state": "\x9b31m", "reason": "\n\x00"}]},
}


def test_telemetry_of_a_core_that_lies_is_shown_and_harmless(
    commands: Commands, core: DeployedCore
) -> None:
    core.report("SUCCEEDED")
    before = ""
    for lie, changes in HOSTILE.items():
        core.speak(**changes)
        code = 1 if "sources" in changes else 0
        result = commands.result("status", core.name, code=code)
        assert result.output.replace("\n", "").isprintable(), lie
        received = commands.json("status", core.name, code=code)["liveness"]["telemetry"][
            "received"
        ]
        assert received > before, lie
        before = received


def item(**changes: Any) -> dict[str, Any]:
    return {"core": {"S": "a"}, "received": {"N": "1000000"}, "health": {"S": "ok"}, **changes}


def test_lists_and_objects_are_read_as_aws_keeps_them_and_as_the_local_cloud_does() -> None:
    as_aws = item(
        sources={"L": [{"M": {"name": {"S": "c"}, "state": {"S": "lost"}, "reason": {"S": "r"}}}]},
        faults={"L": [{"S": "no camera: r"}]},
        inferenceMs={"M": {"p50": {"N": "1.5"}}},
    )
    as_json = item(
        sources={"S": json.dumps([{"name": "c", "state": "lost", "reason": "r"}])},
        faults={"S": '["no camera: r"]'},
        inferenceMs={"S": '{"p50": 1.5}'},
    )
    assert parsed_item(as_aws) == parsed_item(as_json)
    assert parsed_item(as_aws).dark_cameras[0].name == "c"
    assert parsed_item(as_aws).latency == {"p50": 1.5}


@pytest.mark.parametrize("text", ["[" * 5_000, '{"a":' * 5_000, "[", "9" * 5_000])
def test_a_text_in_place_of_a_list_says_nothing(text: str) -> None:
    """One core's must not prevent that of the others of its fleet from being read."""
    found = parsed_item(item(faults={"S": text}, sources={"S": text}, inferenceMs={"S": text}))
    assert (found.faults, found.cameras, found.latency) == ((), (), None)


NOW = datetime(2026, 11, 27, tzinfo=UTC)


def spoken(*cameras: tuple[str, str], faults: tuple[str, ...] = ()) -> LastTelemetry:
    sources = [{"name": "c", "state": state, "reason": why} for state, why in cameras]
    found = item(sources={"S": json.dumps(sources)}, faults={"S": json.dumps(faults)})
    found["received"] = {"N": str(int(NOW.timestamp() * 1_000))}
    return parsed_item(found)


@pytest.mark.parametrize(
    ("telemetry", "health"),
    [
        (spoken((source.STREAMING, "")), Health.OK),
        (spoken((source.STREAMING, "it was lost")), Health.OK),
        (spoken((source.CONNECTING, "")), Health.OK),
        (spoken((source.CONNECTING, ""), faults=("no camera: c",)), Health.DARK),
        (spoken((source.CONNECTING, "it was lost")), Health.DARK),
        (spoken((source.STREAMING, ""), (source.LOST, "gone")), Health.DARK),
        (spoken((source.STOPPED, "")), Health.DARK),
        (None, Health.NEVER),
    ],
)
def test_camera_is_dark_if_it_has_no_frames(
    telemetry: LastTelemetry | None, health: Health
) -> None:
    assert health_of(telemetry, NOW) is health


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 h"),
        (2e5, "2 d"),
    ],
)
def test_age_is_short(seconds: float, shown: str) -> None:
    assert short_age(seconds) == shown
