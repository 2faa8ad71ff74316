"""Which objects a bucket refuses, and when it is certain that trying again is of no use."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

TRIES = 5
"""A refused object is tried at least this often."""

SECONDS = 3_600.0
"""A refused object is tried for at least this long: somebody may be correcting a policy."""


@dataclass
class _Refused:
    """An object of a sample: how often it was refused, and the time of the first."""

    sample: str
    tries: int = 0
    since: float = field(default_factory=time.monotonic)


class Refusals:
    """Tells a bucket that refuses everything from one that refuses some objects for good.

    The former is a fault of the bucket, and its samples wait. The latter would wait forever.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        """``seconds`` is how long a refused object is tried at least."""
        self._seconds = seconds
        self._refused: dict[str, _Refused] = {}
        self._tries: Counter[str] = Counter()
        """How often objects of each sample were refused, without a search in ``_refused``."""
        self._accepted_at: dict[str, float] = {}
        self._accepting: dict[str, set[str]] = {}
        self._in_a_row: dict[str, int] = {}

    def accepted(self, bucket: str, folder: str) -> None:
        """Note that ``bucket`` accepted an object in ``folder``."""
        self._accepted_at[bucket] = time.monotonic()
        self._in_a_row[folder] = 0
        self._accepting.setdefault(bucket, set()).add(folder)

    def refused(self, sample: str, place: str, bucket: str, folder: str) -> None:
        """Note that ``bucket`` refused the object ``place`` of ``sample``."""
        self._refused.setdefault(place, _Refused(sample)).tries += 1
        self._tries[sample] += 1
        self._in_a_row[folder] = self._in_a_row.get(folder, 0) + 1
        if self.is_of_folder(folder):
            self._accepting.get(bucket, set()).discard(folder)

    def is_of_bucket(self, bucket: str) -> bool:
        """Tell whether the bucket, as far as is known, refuses everything."""
        return not self._accepting.get(bucket)

    def has_refused(self, folder: str) -> bool:
        """Tell whether a refused object in ``folder`` is waiting."""
        return any(place.startswith(folder) for place in self._refused)

    def is_refused(self, place: str) -> bool:
        """Tell whether the object ``place`` was refused, and still waits."""
        return place in self._refused

    def is_of_folder(self, folder: str) -> bool:
        """Tell whether the last two objects in ``folder`` were refused."""
        return self._in_a_row.get(folder, 0) > 1

    def is_for_good(self, place: str, bucket: str) -> bool:
        """Tell whether the object ``place`` was refused for so long that no try will help.

        ``bucket`` must have accepted others in this time, otherwise the object may be in order.
        """
        one = self._refused.get(place)
        if one is None or one.tries < TRIES:
            return False
        since_others = self._accepted_at.get(bucket, 0.0) > one.since
        return since_others and time.monotonic() - one.since >= self._seconds

    def tries(self, sample: str) -> int:
        """Return how often objects of ``sample`` were refused: the least refused goes first."""
        return self._tries[sample]

    def forget(self, sample: str) -> list[str]:
        """Forget a finished sample; return its objects that were refused."""
        if not self._tries.pop(sample, 0):
            return []
        places = [place for place, one in self._refused.items() if one.sample == sample]
        for place in places:
            del self._refused[place]
        return places
