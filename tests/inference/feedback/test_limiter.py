"""RequestLimit: its pattern, and that exactly so many requests are in work at once."""

from __future__ import annotations

import threading

import pytest

from inference.feedback.limiter import RequestLimiter, parse_request_limit


@pytest.mark.parametrize(
    ("value", "limit"),
    [(None, 0), ("", 0), ("0", 0), ("10", 10), ("999", 999), ("007", 7), (5, 5), (5.0, 5)],
)
def test_limit_is_digits_or_nothing(value: object, limit: int) -> None:
    assert parse_request_limit(value) == limit


@pytest.mark.parametrize("bad", ["1000", "-1", "1.5", " 1", "1\n", "ten", "٣", 1000, -1, 0.5, []])
def test_what_is_no_limit_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="0 to 999"):
        parse_request_limit(bad)


def test_requests_on_top_of_the_limit_are_refused() -> None:
    limiter = RequestLimiter(2)
    assert [limiter.enter(str(number)) for number in range(4)] == [True, True, False, False]


def test_a_request_that_ends_makes_room_for_one() -> None:
    limiter = RequestLimiter(1)
    assert limiter.enter("a")
    limiter.leave("a")
    assert [limiter.enter("b"), limiter.enter("c")] == [True, False]


def test_a_request_of_an_earlier_process_makes_no_room_when_it_ends() -> None:
    limiter = RequestLimiter(1)
    assert limiter.enter("a")
    limiter.leave("left by an earlier process")
    assert not limiter.enter("b")


def test_limit_0_is_none() -> None:
    limiter = RequestLimiter(0)
    assert all(limiter.enter(str(number)) for number in range(2000))


def test_limit_holds_between_threads() -> None:
    limiter = RequestLimiter(50)
    entered: list[bool] = []

    def enter(thread: int) -> None:
        entered.extend(limiter.enter(f"{thread}-{number}") for number in range(100))

    threads = [threading.Thread(target=enter, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (entered.count(True), entered.count(False)) == (50, 750)
