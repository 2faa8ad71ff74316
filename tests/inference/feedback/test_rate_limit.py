"""How many samples per hour a core keeps, and how its configurations share them."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from inference.feedback.rate_limit import RateLimiter

HOUR = 3_600
IDS = ("random", "low", "entropy")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(limiter: RateLimiter, clock: Clock, seconds: int, every: dict[str, int]) -> Counter[str]:
    """Ask for a sample of each configuration every so many seconds."""
    found: Counter[str] = Counter()
    for _ in range(seconds):
        clock.now += 1
        for config_id, pause in every.items():
            if int(clock.now) % pause == 0 and limiter.take(config_id):
                found[config_id] += 1
    return found


def test_many_hours_give_the_limit_and_no_hour_much_more() -> None:
    clock = Clock()
    limiter = RateLimiter(60, IDS, clock=clock)
    counts = [taken(limiter, clock, HOUR, dict.fromkeys(IDS, 1)) for _ in range(5)]
    hours = [sum(count.values()) for count in counts]
    assert hours[0] <= 75
    assert all(59 <= one <= 61 for one in hours[1:])


def test_a_strategy_that_chooses_every_frame_does_not_displace_a_rare_one() -> None:
    clock = Clock()
    limiter = RateLimiter(60, IDS, clock=clock)
    taken(limiter, clock, HOUR, {"random": 1})
    later = taken(limiter, clock, HOUR, {"random": 1, "entropy": 600})
    assert later["entropy"] == 6


def test_what_one_leaves_goes_to_the_others() -> None:
    clock = Clock()
    limiter = RateLimiter(60, IDS, clock=clock)
    taken(limiter, clock, HOUR, {"random": 1})
    assert 59 <= taken(limiter, clock, HOUR, {"random": 1})["random"] <= 61


def test_zero_is_no_limit() -> None:
    clock = Clock()
    limiter = RateLimiter(0, IDS, clock=clock)
    assert all(limiter.take("random") for _ in range(10_000))


def test_a_change_applies_at_once_and_gives_nothing_twice() -> None:
    clock = Clock()
    limiter = RateLimiter(60, IDS, clock=clock)
    while limiter.take("random"):
        pass
    for _ in range(10):
        limiter.change(60, IDS)
        assert not limiter.take("random")
    limiter.change(0, IDS)
    assert limiter.take("random")
    limiter.change(60, (*IDS, "new"))
    assert not limiter.take("random")
    assert limiter.take("new"), "a new configuration shows its effect at once"


def test_the_first_limit_of_a_core_without_one_begins_with_all_that_may_come_at_once() -> None:
    clock = Clock()
    limiter, fresh = RateLimiter(0, IDS, clock=clock), RateLimiter(60, IDS, clock=clock)
    limiter.change(0, IDS)
    limiter.change(60, IDS)
    for _ in range(60):
        assert limiter.take("random") is fresh.take("random")


def test_a_limit_that_comes_again_finds_what_was_left_of_it() -> None:
    limiter = RateLimiter(60, IDS, clock=Clock())
    fresh = RateLimiter(60, IDS, clock=Clock())
    for one in (limiter, fresh):
        assert one.take(IDS[0])
    limiter.change(0, IDS)
    limiter.change(60, IDS)
    for _ in range(60):
        assert limiter.take(IDS[0]) is fresh.take(IDS[0])


@pytest.mark.parametrize("limit", [1, 2, 7, 60, 3600])
def test_any_demand_stays_within_the_limit(limit: int) -> None:
    clock, chance = Clock(), random.Random(limit)
    limiter = RateLimiter(limit, IDS, clock=clock)
    granted = 0
    for _ in range(20_000):
        clock.now += chance.random()
        granted += limiter.take(chance.choice(IDS))
    seconds = clock.now - 1000
    at_once = 2 * max(3.0, limit / 4) + 1
    assert granted <= limit * seconds / HOUR + at_once
