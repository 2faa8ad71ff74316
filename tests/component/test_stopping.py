"""SIGTERM while something hangs or is unreachable: in time, with status 0, nothing lost."""

from __future__ import annotations

import time

import pytest

from inference.names import FEEDBACK_STATUS_TOPIC, prediction_topic
from local_core.nucleus.core import STOP_GRACE_SECONDS
from tests.component.conftest import CORE, FEEDBACK, Rig
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def frame_ids(rig: Rig) -> list[int]:
    return [payload["frame"]["id"] for payload in rig.predictions()]


def test_messages_that_a_stop_leaves_unsent_are_sent_by_the_next_start(rig: Rig) -> None:
    rig.configure(messageFormat="envelope", feedbackConfiguration=FEEDBACK)
    rig.start()
    rig.await_predictions(3)
    rig.broker.away = True
    eventually(lambda: rig.unsent(prediction_topic(CORE)))
    began = time.monotonic()
    assert rig.stop() == 0
    assert time.monotonic() - began < STOP_GRACE_SECONDS
    before = len(frame_ids(rig))
    rig.broker.away = False
    rig.start()
    eventually(lambda: frame_ids(rig).count(1) == 2, seconds=15)
    assert rig.stop() == 0
    ids = frame_ids(rig)
    second = ids.index(1, 1)
    assert second > before
    assert ids == [*range(1, second + 1), *range(1, len(ids) - second + 1)]
    statuses = [status["id"] for status in rig.broker.on(FEEDBACK_STATUS_TOPIC)]
    assert len(statuses) == len(set(statuses)) == len(ids) == len(rig.samples())


def test_a_broker_that_gives_no_answer_does_not_hold_up_the_stop(rig: Rig) -> None:
    rig.configure(messageFormat="envelope")
    rig.start()
    rig.await_predictions(3)
    rig.broker.answers.clear()
    time.sleep(0.5)
    began = time.monotonic()
    assert rig.stop() == 0
    assert time.monotonic() - began < STOP_GRACE_SECONDS
    rig.broker.answers.set()
    rig.start()
    eventually(lambda: frame_ids(rig).count(1) == 2, seconds=15)
    ids = frame_ids(rig)
    second = ids.index(1, 1)
    # The message in progress was sent before and after: its arrival was unknown.
    assert sorted(set(ids[:second])) == list(range(1, max(ids[:second]) + 1))
    assert second <= max(ids[:second]) + 1
    assert ids[second:] == list(range(1, len(ids) - second + 1))
