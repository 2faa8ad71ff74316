"""Predictions that are waited for, and what is known when they do not come."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import MliError
from .display import Message, faults_of


@dataclass
class Awaited:
    """Waits for ``count`` predictions, and at most ``timeout`` seconds for each; None: without end.

    ``since`` is when the wait began.
    """

    count: int | None
    timeout: float
    since: float
    arrived: int = 0
    _faults: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def heard(self, message: Message, now: float) -> None:
        """Note a message that arrived at ``now`` in seconds."""
        if message.kind == "prediction":
            self.arrived, self.since = self.arrived + 1, now
        elif message.kind == "telemetry":
            self._faults[message.core_name] = faults_of(message)

    def is_complete(self) -> bool:
        """Return whether all predictions have arrived."""
        return self.count is not None and self.arrived >= self.count

    def is_late(self, now: float) -> bool:
        """Return whether the next prediction has taken too long."""
        return self.count is not None and now - self.since >= self.timeout

    def check(self, now: float, core_name: str | None) -> None:
        """Return if all predictions have arrived.

        Raises:
            MliError: if not, with the faults that the cores reported last.
        """
        if self.count is None or self.is_complete():
            return
        faults = [
            f"{core} reports {'; '.join(texts)}" for core, texts in self._faults.items() if texts
        ]
        reason = ", ".join(faults) or f"`mli status {core_name or 'CORE_NAME'}` shows why"
        when = "in the time of --seconds"
        if self.is_late(now):
            when = f"and none in the last {now - self.since:.0f} s"
        raise MliError(f"{self.arrived} of {self.count} predictions arrived, {when}: {reason}")
