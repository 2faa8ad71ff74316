"""The pauses before a function that ended is started again."""

from __future__ import annotations

from local_core.v1.function import Pacing


def test_pause_doubles_up_to_the_longest() -> None:
    pacing = Pacing(first_seconds=1, longest_seconds=10)
    assert [pacing.pause(failures) for failures in (1, 2, 3, 4, 5, 10_000)] == [1, 2, 4, 8, 10, 10]
