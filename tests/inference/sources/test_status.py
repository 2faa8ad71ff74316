"""The status of a source: when and why it changed, and how often the log says so."""

from __future__ import annotations

import logging

import pytest

from inference.sources.status import CONNECTING, LOST, STOPPED, STREAMING, StatusKeeper


def test_states_carry_the_time_of_their_change_and_its_reason() -> None:
    now = 100.0
    keeper = StatusKeeper("camera:0", clock=lambda: now)
    assert (keeper.status.state, keeper.status.since) == (CONNECTING, 100.0)
    now = 101.0
    keeper.enter(LOST, "unplugged")
    now = 102.0
    keeper.enter(LOST, "unplugged")
    assert (keeper.status.since, keeper.status.reason) == (101.0, "unplugged")
    keeper.enter(CONNECTING)
    assert (keeper.status.since, keeper.status.reason) == (102.0, "unplugged")
    keeper.enter(STREAMING, "")
    assert keeper.status.reason == ""
    keeper.enter(STOPPED, "closed")
    keeper.enter(STREAMING, "")
    assert keeper.status.state == STOPPED


def test_a_loss_is_logged_once_whatever_number_of_tries(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    keeper = StatusKeeper("camera:0")
    for _ in range(5):
        keeper.enter(CONNECTING)
        keeper.enter(LOST, "no camera")
    keeper.enter(STREAMING, "")
    keeper.enter(LOST, "no camera")
    assert [record.getMessage() for record in caplog.records] == [
        "camera:0: lost: no camera; trying again",
        "camera:0: streaming",
        "camera:0: lost: no camera; trying again",
    ]


def test_a_status_is_ready_for_a_message() -> None:
    keeper = StatusKeeper("rtsp://***@camera/", clock=lambda: 86400.0)
    keeper.count(frames=3, dropped=1, failed=2, reopened=4)
    keeper.enter(LOST, "unplugged")
    assert keeper.status.to_json() == {
        "name": "rtsp://***@camera/",
        "state": "lost",
        "since": "1970-01-02T00:00:00+00:00",
        "reason": "unplugged",
        "frames": 3,
        "dropped": 1,
        "failed": 2,
        "reopened": 4,
        "stuck": 0,
    }
