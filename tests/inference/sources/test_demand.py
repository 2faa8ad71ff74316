"""A picture is decoded when it is asked for, or about to be."""

from __future__ import annotations

from inference.sources.cameras.demand import LEAD_SECONDS, Demand


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def asked_every(seconds: float) -> tuple[Demand, Clock]:
    """Return a demand that was served at once at 0, ``seconds`` and twice that."""
    clock = Clock()
    demand = Demand(clock)
    for at in range(3):
        clock.now = at * seconds
        demand.ask()
        demand.give()
    return demand, clock


def test_the_first_frame_is_wanted_before_anybody_asks() -> None:
    assert Demand().is_near()


def test_after_a_frame_none_is_wanted_until_shortly_before_the_next_request() -> None:
    demand, clock = asked_every(10)
    for seconds, near in ((0, False), (5, False), (9.8, False), (10 - LEAD_SECONDS / 2, True)):
        clock.now = 20 + seconds
        assert demand.is_near() == near, seconds
    clock.now = 50  # nobody has asked: the newest is kept ready
    assert demand.is_near()


def test_an_early_request_is_wanted_at_once() -> None:
    demand, clock = asked_every(10)
    clock.now = 21
    demand.ask()
    assert demand.is_near()


def test_who_asks_without_a_pause_wants_every_frame() -> None:
    demand, clock = asked_every(LEAD_SECONDS / 2)
    assert demand.is_near()
    clock.now += 1
    assert demand.is_near()


def test_waiting_for_a_frame_is_no_pause() -> None:
    demand, clock = asked_every(1)
    clock.now = 3
    demand.ask()
    clock.now = 33  # it took half a minute to come, and is asked for again meanwhile
    demand.ask()
    demand.give()
    clock.now = 34
    assert demand.is_near()
