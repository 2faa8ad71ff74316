"""A real function process, the connector that it invokes, and the bucket behind that."""

from __future__ import annotations

from random import Random

from tests.local_core_v1.support import (
    CONNECTOR,
    FEEDBACK,
    FUNCTION,
    IDLE,
    SAYS,
    TALK,
    World,
    connector_entry,
    feedback_map,
    function_entry,
    group,
)
from tests.waiting import eventually

ASK = f"""
import base64
def ask(config_id, scores, sample, kind='RequestResponse'):
    custom = dict(ConfigId=config_id, ModelPrediction=scores, Metadata=dict(n=1))
    context = base64.b64encode(json.dumps(dict(custom=custom)).encode())
    return attempt(functions.invoke, FunctionName={FEEDBACK!r}, InvocationType=kind,
                   ClientContext=context, Payload=sample)
"""
FEEDBACK_WAYS = [(CONNECTOR, "feedback/message/#", "cloud")]


def test_function_invokes_the_connector(world: World) -> None:
    world.code[FUNCTION] = (
        TALK
        + ASK
        + (
            "frame = b'\\xff\\xd8' * 1_000_000\n"
            "say(**ask('LC50', [0.001] * 1000, frame))\n"
            "say(**ask('LC50', [0.9], frame, 'Event'))\n"
            "say(**ask('LC50', [], frame))\n" + IDLE
        )
    )
    connector = connector_entry(feedback_map(LC50=("LEAST_CONFIDENCE", 0.5)))
    with world.core(group([function_entry(FUNCTION)], [SAYS, *FEEDBACK_WAYS], [connector])):
        received = [world.next_message() for _ in range(7)]
    answers = [message for topic, message in received if topic == "said"]
    assert answers[0] == {"error": "", "payload": "null"}
    assert answers[1] == {"error": "", "payload": ""}
    assert answers[2]["error"] == "Handled"
    [prediction] = [m for topic, m in received if topic == "feedback/message/prediction"]
    assert prediction["model-prediction"] == [0.001] * 1000
    statuses = [m["response"]["status"] for topic, m in received if topic.endswith("status")]
    assert sorted(statuses) == ["fail", "sample_dropped_by_strategy", "success"]
    [(body, content_type)] = world.objects.values()
    assert (body, content_type) == (b"\xff\xd8" * 1_000_000, "image/jpeg")


def test_bucket_holds_exactly_the_samples_that_the_strategies_choose(world: World) -> None:
    vectors = [[0.9, 0.1], [0.5, 0.5], [0.4, 0.3, 0.3], [0.25] * 4, [0.97, 0.03]]
    world.code[FUNCTION] = (
        TALK
        + ASK
        + (
            f"for number, vector in enumerate({vectors!r}):\n"
            "    for config_id in ('Random', 'LC50', 'Entropy'):\n"
            "        ask(config_id, vector, str(number).encode())\n" + IDLE
        )
    )
    connector = connector_entry(
        feedback_map(
            Random=("RANDOM_SAMPLING", 0.5),
            LC50=("LEAST_CONFIDENCE", 0.5),
            Entropy=("ENTROPY", 1.0),
        )
    )
    documents = group([function_entry(FUNCTION)], FEEDBACK_WAYS, [connector])
    with world.core(documents, seed=5) as core:
        assert core.feedback is not None
        counters = core.feedback.counters
        eventually(lambda: counters.uploaded + counters.not_used == 15)
    generator = Random(5)
    kept = {
        prefix: sorted(
            body.decode() for (_, key), (body, _) in world.objects.items() if key.startswith(prefix)
        )
        for prefix in ("random/", "lc50/", "entropy/")
    }
    assert kept == {
        "random/": [str(number) for number in range(5) if generator.random() < 0.5],
        "lc50/": ["1", "2", "3"],
        "entropy/": ["2", "3"],
    }


def test_connector_needs_subscriptions_like_everyone(world: World) -> None:
    world.code[FUNCTION] = TALK + ASK + "say(**ask('LC50', [0.1], b'x'))\n" + IDLE
    connector = connector_entry(feedback_map(LC50=("LEAST_CONFIDENCE", 0.5)))
    ways = [SAYS, (CONNECTOR, "feedback/message/status", "cloud")]
    with world.core(group([function_entry(FUNCTION)], ways, [connector])) as core:
        topics = {world.next_message()[0] for _ in range(2)}
        assert topics == {"said", "feedback/message/status"}
        assert core.router.counters.refused == 1
    router_log = world.system_log("router")
    assert "connectors/MLFeedback/versions/1 on feedback/message/prediction" in router_log
