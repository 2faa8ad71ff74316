"""What a prediction message contains, whichever its form, read without trust in its content."""

from __future__ import annotations

from typing import Any

from .drawing import Mark, Rectangle

MOST_MARKS = 200
"""A message of 7,000 bytes cannot hold more."""
_LARGEST = 1e15


def marks_of(message: Any) -> list[Mark]:
    """Return the predictions of a message in the list format or of an envelope, best first.

    Items that are not predictions are left out, as are boxes and keypoints that are not numbers.
    """
    items = message.get("predictions") if isinstance(message, dict) else message
    if not isinstance(items, list):
        return []
    return [mark for item in items[:MOST_MARKS] if (mark := _mark(item)) is not None]


def marks_of_arrays(items: Any) -> list[Mark]:
    """Return predictions as samples and live pictures have them: ``[label, score, box]``."""
    if not isinstance(items, list):
        return []
    return [mark for item in items[:MOST_MARKS] if (mark := _of_array(item)) is not None]


def number_of(value: Any) -> float | None:
    """Return a number, also one that is written as a string; None for anything else.

    Nor do numbers beyond what is ever measured count: sums of them would not be finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= _LARGEST else None


def box_of(value: Any) -> Rectangle | None:
    """Return four numbers as a box; None for anything else."""
    numbers = _numbers(value, 4)
    return None if numbers is None else (numbers[0], numbers[1], numbers[2], numbers[3])


def _mark(item: Any) -> Mark | None:
    if not isinstance(item, dict):
        return None
    label = item.get("label", item.get("prediction"))
    score = number_of(item.get("score", item.get("confidence")))
    if not isinstance(label, str) or score is None:
        return None
    points = item.get("keypoints")
    known = [_three(point) for point in points] if isinstance(points, list) else []
    return Mark(label, score, box_of(item.get("box")), [point for point in known if point])


def _of_array(item: Any) -> Mark | None:
    if not isinstance(item, list) or len(item) not in (2, 3) or not isinstance(item[0], str):
        return None
    score = number_of(item[1])
    return None if score is None else Mark(item[0], score, box_of(item[2]) if item[2:] else None)


def _three(value: Any) -> tuple[float, float, float] | None:
    numbers = _numbers(value, 3)
    return None if numbers is None else (numbers[0], numbers[1], numbers[2])


def _numbers(value: Any, count: int) -> list[float] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    numbers = [number_of(one) for one in value]
    return None if None in numbers else [one for one in numbers if one is not None]
