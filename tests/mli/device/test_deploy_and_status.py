"""``redeploy`` and ``status``: what was deployed to a core, what it reports, why it failed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local_core.output.explaining import explaining_line
from mli.device.deployments import redeploy
from mli.device.generations.v2.deployments import latest_deployment
from tests.mli.support import Commands, DeployedCore
from tests.waiting import replace_time

_LOGS_OF_GROUP = "sudo sh -c 'tail -n 50 /greengrass/ggc/var/log/user/*/*/*.log'    # on the core"


@pytest.fixture
def once_waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen as soon as ``redeploy`` waits for the core."""

    def arrange(happen: Callable[[], object]) -> None:
        left = [happen]

        def sleep(seconds: float) -> None:
            if left:
                left.pop()()

        replace_time(monkeypatch, redeploy, sleep=sleep)

    return arrange


def test_deployment_that_the_core_has_not_done_is_waited_for(
    commands: Commands, core: DeployedCore, once_waiting: Callable[[Callable[[], object]], None]
) -> None:
    first = core.latest_deployment()
    once_waiting(lambda: core.report("SUCCEEDED"))
    said = commands.json("redeploy", core.name, "--timeout", "20")
    assert (said["deploymentId"], said["made"], said["status"]) == (first, False, "SUCCEEDED")


def test_deployment_that_is_done_is_repeated_with_its_content(
    commands: Commands, core: DeployedCore
) -> None:
    first = core.latest_deployment()
    core.report("SUCCEEDED")
    said = commands.json("redeploy", core.name, "--no-wait")
    assert said["made"] is True
    greengrass = core.cloud.client("greengrassv2")
    old, new = (greengrass.get_deployment(deploymentId=i) for i in (first, said["deploymentId"]))
    for key in ("targetArn", "deploymentName", "components", "deploymentPolicies"):
        assert new[key] == old[key]
    assert core.latest_deployment() == said["deploymentId"] != first


def test_deployment_that_is_deleted_while_it_is_looked_up_is_not_the_latest(
    commands: Commands, core: DeployedCore
) -> None:
    """As by a stack that is rolled back at this moment."""
    first = core.latest_deployment()
    core.report("SUCCEEDED")
    again = commands.json("redeploy", core.name, "--no-wait")["deploymentId"]
    greengrass = core.cloud.client("greengrassv2")
    get, asked = greengrass.get_deployment, []

    def get_deployment(*, deploymentId: str) -> Any:
        asked.append(deploymentId)
        if deploymentId == again:
            greengrass.cancel_deployment(deploymentId=again)
            greengrass.delete_deployment(deploymentId=again)
        return get(deploymentId=deploymentId)

    target = get(deploymentId=first)["targetArn"]
    greengrass.get_deployment = get_deployment
    identity, content = latest_deployment(greengrass, target) or ("", {})
    assert asked == [again, first]
    assert (identity, content["targetArn"]) == (first, target)


def test_deployment_can_be_repeated_before_the_core_has_done_it(
    commands: Commands, core: DeployedCore
) -> None:
    first = core.latest_deployment()
    assert commands.json("redeploy", core.name, "--no-wait", "--again")["deploymentId"] != first


def test_failure_has_the_reason_that_the_core_reports(
    commands: Commands, core: DeployedCore, once_waiting: Callable[[Callable[[], object]], None]
) -> None:
    once_waiting(lambda: core.report("FAILED", "FAILED_ROLLBACK_COMPLETE: it is broken"))
    said = commands.run("redeploy", core.name, "--timeout", "20", code=1)
    assert "FAILED_ROLLBACK_COMPLETE: it is broken" in said
    assert f"status {core.name}" in said


ROLLED_BACK = "the core has rolled back, and runs what it ran before"
KEPT = "nucleus lite does not roll back: the core keeps what failed, with its settings"


@pytest.mark.parametrize(
    ("runtime", "reason", "state", "outcome"),
    [
        ("aws_nucleus_classic", "FAILED_ROLLBACK_COMPLETE", "RUNNING", ROLLED_BACK),
        ("aws_nucleus_classic", "FAILED_NO_STATE_CHANGE: x", "RUNNING", "nothing has changed"),
        ("aws_nucleus_classic", "FAILED_UNABLE_TO_ROLLBACK", "BROKEN", "could not roll back"),
        ("aws_nucleus_lite", "FAILED_ROLLBACK_NOT_REQUESTED", "BROKEN", KEPT),
        ("aws_nucleus_lite", "", "BROKEN", KEPT),
    ],
)
def test_failure_says_what_the_core_runs_now(
    runtime: str,
    reason: str,
    state: str,
    outcome: str,
    commands: Commands,
    core: DeployedCore,
    once_waiting: Callable[[Callable[[], object]], None],
) -> None:
    once_waiting(lambda: core.report("FAILED", reason, state=state, runtime=runtime))
    said = commands.run("redeploy", core.name, "--timeout", "20", code=1)
    of_status = commands.run("status", core.name, code=1)
    for text in (said, of_status):
        assert outcome in text
        assert f"{core.component} 1.0.0 is {state}" in text
    is_lite = runtime == "aws_nucleus_lite"
    assert (f"journalctl -n 50 -u 'ggl.{core.component}*'" in of_status) is is_lite


def test_core_that_never_connects_ends_the_wait(commands: Commands, core: DeployedCore) -> None:
    said = commands.run("redeploy", core.name, "--timeout", "1", code=1)
    assert f"not done after 1 s: {core.name} has never connected" in said
    assert f"package {core.name}" in said


def test_core_that_is_offline_has_not_begun(commands: Commands, core: DeployedCore) -> None:
    core.report("SUCCEEDED")
    said = commands.run("redeploy", core.name, "--timeout", "1", code=1)
    assert "not done after 1 s: the core has not begun yet; is it online?" in said


def test_deployment_that_another_replaced_is_not_waited_for(
    commands: Commands, core: DeployedCore, once_waiting: Callable[[Callable[[], object]], None]
) -> None:
    greengrass = core.cloud.client("greengrassv2")
    once_waiting(lambda: greengrass.create_deployment(targetArn=core.thing_arn))
    assert "replaced it" in commands.run("redeploy", core.name, "--timeout", "20", code=1)


def test_group_is_deployed_in_the_version_of_its_stack(
    commands: Commands, group_core: DeployedCore
) -> None:
    commands.run("redeploy", group_core.name, "--no-wait")
    group_core.report_group("Success")
    own = group_core.deployed_group_version()
    group_core.add_group_version(to_stack=False)  # as a rollback leaves it behind
    assert commands.json("redeploy", group_core.name, "--no-wait")["made"] is True
    assert group_core.deployed_group_version() == own


def test_deployment_of_an_earlier_group_version_is_not_waited_for(
    commands: Commands, group_core: DeployedCore
) -> None:
    commands.run("redeploy", group_core.name, "--no-wait")
    earlier = group_core.deployed_group_version()
    group_core.add_group_version(to_stack=True)
    assert commands.json("redeploy", group_core.name, "--no-wait")["made"] is True
    assert group_core.deployed_group_version() != earlier


def test_deployment_of_a_group_is_waited_for(
    commands: Commands,
    group_core: DeployedCore,
    once_waiting: Callable[[Callable[[], object]], None],
) -> None:
    said = commands.json("redeploy", group_core.name, "--no-wait")
    assert said["made"] is True
    again = commands.json("redeploy", group_core.name, "--no-wait")
    assert (again["deploymentId"], again["made"]) == (said["deploymentId"], False)
    once_waiting(lambda: group_core.report_group("Success"))
    assert commands.json("redeploy", group_core.name, "--timeout", "20")["status"] == "Success"


def test_deployment_of_a_group_that_another_replaced_is_not_waited_for(
    commands: Commands,
    group_core: DeployedCore,
    once_waiting: Callable[[Callable[[], object]], None],
) -> None:
    once_waiting(lambda: commands.run("redeploy", group_core.name, "--again", "--no-wait"))
    assert "replaced it" in commands.run("redeploy", group_core.name, "--timeout", "20", code=1)


def test_group_that_fails_says_why(commands: Commands, group_core: DeployedCore) -> None:
    commands.run("redeploy", group_core.name, "--no-wait")
    group_core.report_group("Failure", "the artifact cannot be fetched")
    said = commands.run("status", group_core.name, code=1)
    assert "Failure: the artifact cannot be fetched" in said
    assert _LOGS_OF_GROUP in said


def test_status_of_a_good_group_also_shows_where_its_function_says_why_nothing_arrives(
    commands: Commands, group_core: DeployedCore
) -> None:
    commands.run("redeploy", group_core.name, "--no-wait")
    group_core.report_group("Success")
    said = commands.run("status", group_core.name)
    assert f"watch {group_core.name}\n" in said
    assert _LOGS_OF_GROUP in said


def test_status_of_a_good_core_leads_to_watch(commands: Commands, core: DeployedCore) -> None:
    core.report("SUCCEEDED")
    core.speak()
    said = commands.run("status", core.name)
    assert f"{core.thing}: HEALTHY, nucleus 2.18.1" in said
    assert f"{core.component} 1.0.0     RUNNING" in said
    assert f"watch {core.name}" in said
    assert commands.json("status", core.name)["good"] is True


def test_status_of_a_core_that_never_connected(commands: Commands, core: DeployedCore) -> None:
    said = commands.run("status", core.name, code=1)
    assert "has never connected" in said
    assert f"package {core.name}" in said


def test_status_of_a_failed_core_shows_the_line_of_its_log(
    commands: Commands, core: DeployedCore
) -> None:
    core.report("FAILED", "FAILED_NO_STATE_CHANGE: it broke", state="BROKEN")
    Path("logs").mkdir()
    Path(f"logs/{core.component}.log").write_text(
        "2026-11-22T10:00:00Z [INFO] (Copier) x: stdout. starting. {scriptName=services.x}\n"
        "2026-11-22T10:00:01Z [WARN] (Copier) x: stderr. topK=0: must be a whole number from 1 to "
        "100. {scriptName=services.x.run, serviceName=x}\n"
        "2026-11-22T10:00:02Z [INFO] (pool-1) x: shell-runner-start.\n"
    )
    said = commands.json("status", core.name, "--logs", "logs", code=1)
    line = said["logLines"][core.component]
    assert line.endswith("stderr. topK=0: must be a whole number from 1 to 100")
    said_to_people = commands.run("status", core.name, "--logs", "logs", code=1)
    assert "BROKEN" in said_to_people
    assert "topK=0" in said_to_people


def test_status_of_a_failed_core_asks_cloudwatch(commands: Commands, core: DeployedCore) -> None:
    core.report("FAILED", "it broke", state="BROKEN")
    logs = core.cloud.client("logs")
    group = f"/aws/greengrass/UserComponent/us-east-1/{core.component}"
    logs.create_log_group(logGroupName=group)
    of_cores = {
        core.thing: ["INFO hello", "ModelError: the model has no input data", "INFO bye"],
        f"x{core.thing}": ["OSError: another core of the fleet has no camera"],
        f"{core.thing}-x": ["OSError: nor has this one"],
    }
    now = datetime.now(UTC)
    for later, (thing, messages) in enumerate(of_cores.items()):
        stream = f"/{now:%Y/%m/%d}/thing/{thing}"
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        at = int(now.timestamp() * 1_000) + 10 * later
        events = [{"timestamp": at + n, "message": text} for n, text in enumerate(messages)]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    said = commands.json("status", core.name, code=1)
    assert said["logLines"] == {core.component: "ModelError: the model has no input data"}


def test_log_without_a_fault_has_no_explaining_line() -> None:
    assert explaining_line(["INFO all is well", "", "INFO still"]) is None


@pytest.mark.parametrize(
    "begin",
    [
        "2026-11-28T23:46:35Z run begins",
        "2026-11-28T23:46:35.123Z [INFO] (pool-2-thread-1) A: shell-runner-start. {scriptName=a}",
    ],
    ids=["local", "classic"],
)
def test_line_of_an_earlier_start_does_not_explain_the_end_of_this_one(begin: str) -> None:
    lines = ["ERROR topK is refused", begin, "INFO streaming", "Killed"]
    assert explaining_line(lines) is None
    failed = [begin, "ModelError: is damaged", f"{begin}\n"]
    assert explaining_line([*lines, *failed]) == "ModelError: is damaged"


def test_traceback_is_explained_by_its_last_line() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "OSError: no camera",
        "",
    ]
    assert explaining_line(lines) == "OSError: no camera"
