"""What functions ask of a core, in real processes with the unmodified SDK."""

from __future__ import annotations

import json
from pathlib import Path

from local_core.v1.function import RUNTIME_FOLDER
from tests.local_core_v1.support import (
    FUNCTION,
    IDLE,
    OTHER,
    SAYS,
    TALK,
    World,
    function_entry,
    group,
)


def test_function_finds_the_environment_of_a_core(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        "say(**{key: value for key, value in os.environ.items()}, cwd=os.getcwd())\n" + IDLE
    )
    entry = function_entry(
        FUNCTION, Variables={"MODEL": "ssd", "AWS_IOT_THING_NAME": "forged", "PYTHONPATH": "/own"}
    )
    with world.core(group([entry], [SAYS])):
        found = world.said()
    assert found["MODEL"] == "ssd"
    assert found["AWS_IOT_THING_NAME"] == "Toradex2_Core"
    assert found["PYTHONPATH"] == f"{RUNTIME_FOLDER}:/own"
    assert found["GROUP_ID"] == "group-1"
    assert found["MY_FUNCTION_ARN"] == FUNCTION
    assert found["ROUTER_FUNCTION_ARN"] == "arn:aws:lambda:::function:GGRouter"
    assert found["AWS_REGION"] == "eu-west-1"
    assert found["PYTHONUNBUFFERED"] == "1"
    assert found["AWS_GG_RESOURCE_PREFIX"] == f"{world.root}/ggc/deployment/mlmodel"
    assert "VIRTUAL_ENV" not in found


def test_publish_takes_bytes_texts_and_files(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        "import io\n"
        "for payload in (b'1', '2', io.BytesIO(b'3')): iot.publish(topic='said', payload=payload)\n"
        + IDLE
    )
    with world.core(group([function_entry(FUNCTION)], [SAYS])):
        assert [world.next_message()[1] for _ in range(3)] == [1, 2, 3]


def test_publish_without_a_subscription_is_dropped_and_logged(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        "say(**attempt(iot.publish, topic='elsewhere', payload=b'1'))\n" + IDLE
    )
    with world.core(group([function_entry(FUNCTION)], [SAYS])) as core:
        assert world.said() == {"returned": None}
        assert core.router.counters.refused == 1
    assert world.published.empty()
    router_log = world.system_log("router")
    assert "no subscription from Inference:prod on elsewhere" in router_log


def test_source_is_the_process_whatever_its_message_says(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        f"from greengrasssdk import IoTDataPlane\nIoTDataPlane.MY_FUNCTION_ARN = {OTHER!r}\n"
        "iot.publish(topic='others', payload=b'1')\niot.publish(topic='said', payload=b'2')\n"
        + IDLE
    )
    world.code[OTHER] = IDLE
    entries = [function_entry(FUNCTION), function_entry(OTHER)]
    with world.core(group(entries, [SAYS, (OTHER, "others", "cloud")])):
        assert world.next_message() == ("said", 2)
    assert world.published.empty()


def test_a_forged_token_is_refused(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        "os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN'], token = 'x', "
        "os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']\n"
        "got = attempt(iot.publish, topic='said', payload=b'1')\n"
        "os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN'] = token\nsay(**got)\n" + IDLE
    )
    with world.core(group([function_entry(FUNCTION)], [SAYS])):
        got = world.said()
    assert got["raised"] == "InvocationException"
    assert "Error 403" in str(got["why"])


def test_message_of_the_cloud_reaches_the_handler(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        "def function_handler(event, context):\n"
        "    say(event=event, subject=context.client_context.custom['subject'],\n"
        "        arn=context.invoked_function_arn, version=context.function_version)\n"
    )
    ways = [SAYS, ("cloud", "cmd/+", FUNCTION)]
    with world.core(group([function_entry(FUNCTION)], ways)) as core:
        assert core.router.cloud_filters == ("cmd/+",)
        core.from_cloud("cmd/go", b'{"threshold": 0.5}')
        assert world.said() == {
            "event": {"threshold": 0.5},
            "subject": "cmd/go",
            "arn": FUNCTION,
            "version": "prod",
        }


def test_handler_of_binary_messages_gets_bytes(world: World) -> None:
    world.code[FUNCTION] = TALK + ("def function_handler(event, context):\n    say(event=event)\n")
    entry = function_entry(FUNCTION)
    entry["FunctionConfiguration"]["EncodingType"] = "binary"
    with world.core(group([entry], [SAYS, ("cloud", "raw", FUNCTION)])) as core:
        core.from_cloud("raw", b"\xff\x00")
        assert world.said() == {"event": repr(b"\xff\x00")}


def test_functions_invoke_each_other(world: World) -> None:
    world.code[OTHER] = (
        "def function_handler(event, context):\n"
        "    return {'twice': 2 * event['x'], 'id': len(context.aws_request_id)}\n"
    )
    world.code[FUNCTION] = TALK + (
        f"say(**attempt(functions.invoke, FunctionName={OTHER!r}, Payload='{{\"x\": 21}}'))\n"
        f"say(**attempt(functions.invoke, FunctionName={OTHER!r}, Payload=b'{{}}'))\n"
        f"say(**attempt(functions.invoke, FunctionName={OTHER!r}, Payload=b'{{}}', "
        "InvocationType='Event'))\n"
        f"say(**attempt(functions.invoke, FunctionName={OTHER[:-2] + ':4'!r}))\n" + IDLE
    )
    with world.core(group([function_entry(FUNCTION), function_entry(OTHER)], [SAYS])) as core:
        assert world.said() == {"error": "", "payload": '{"twice": 42, "id": 36}'}
        failed = world.said()
        assert failed["error"] == "Handled"
        assert json.loads(str(failed["payload"]))["errorType"] == "KeyError"
        assert world.said() == {"error": "", "payload": ""}
        unknown = world.said()
        assert unknown["raised"] == "InvocationException"
        assert "Error 404: Not Found: there is no function" in str(unknown["why"])
        log = core.log_of(OTHER)
    assert "KeyError: 'x'" in log.read_text()


def test_sdk_speaks_to_the_core_and_not_to_its_mock(world: World) -> None:
    """The SDK answers with mock data where it does not find its function's ARN."""
    world.code[FUNCTION] = TALK + (
        "say(version=greengrasssdk.__version__, "
        "file=greengrasssdk.__file__, ipc=sys.modules['greengrass_ipc_python_sdk'].__file__)\n"
        + IDLE
    )
    with world.core(group([function_entry(FUNCTION)], [SAYS])):
        found = world.said()
    assert found["version"] == "1.6.1"
    assert "site-packages" in str(found["file"])
    assert Path(str(found["ipc"])).is_relative_to(RUNTIME_FOLDER)
