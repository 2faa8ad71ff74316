"""Messages that wait for the broker, also on disk, so that they outlive the process."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Sequence, Tuple

_RETRY_SECONDS = 2.0

_log = logging.getLogger(__name__)

QueuedMessage = Tuple[str, bytes]
"""A topic and a payload."""


class Backlog:
    """A file that mirrors a queue. Not safe for use by several threads at once.

    A line is a new message, ``["topic", "payload"]``, or the position in the queue of a removed
    one, so that a kill while the queue is processed repeats one message at most.

    A disk that rejects messages is logged once and is not an error: they are then in memory only.
    """

    def __init__(self, path: Path) -> None:
        self.lines = 0
        """How many lines are in the file."""
        self._path = path
        self._fault: str | None = None
        self._next_try = 0.0

    @property
    def is_pausing(self) -> bool:
        """Whether the disk failed a moment ago, so that it is too early to try again."""
        return time.monotonic() < self._next_try

    def take(self) -> list[QueuedMessage]:
        """Return the messages of an earlier process, which stay in the file.

        A damaged line is logged and left out.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.error("the messages in %s cannot be read: %s", self._path, error)
            return []
        messages: list[QueuedMessage] = []
        for line in lines:
            try:
                values = json.loads(line)
                if isinstance(values, int):
                    del messages[values]
                else:
                    topic, payload = values
                    messages.append((str(topic), payload.encode()))
            except (ValueError, TypeError, AttributeError, IndexError):
                _log.error("%s: a line is damaged and left out", self._path)
        self.lines = len(lines)
        return messages

    def write(self, messages: Sequence[QueuedMessage]) -> bool:
        """Replace the content by ``messages``; return False if the disk rejects it."""
        partial = self._path.with_name(self._path.name + ".partial")
        try:
            partial.write_bytes(b"".join(map(_line, messages)))
            partial.replace(self._path)
        except OSError as error:
            return self._failed(error)
        if self._fault is not None:
            _log.info("unsent messages are kept on disk again")
        self._fault = None
        self.lines = len(messages)
        return True

    def append(self, message: QueuedMessage) -> bool:
        """Add a message; return False if the disk rejects it."""
        return self._add(_line(message))

    def remove(self, position: int) -> bool:
        """Note that the message at ``position`` is gone; return False if the disk rejects it."""
        return self._add(b"%d\n" % position)

    def clear(self) -> None:
        """Remove the file, because none of its messages is waiting any more."""
        self.lines = 0
        self._next_try = 0.0
        try:
            self._path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.error(
                "%s cannot be removed, its messages will be sent again: %s", self._path, error
            )

    def _add(self, line: bytes) -> bool:
        try:
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            return self._failed(error)
        self.lines += 1
        return True

    def _failed(self, error: OSError) -> bool:
        if self._fault is None:
            _log.error(
                "unsent messages are in memory only, because the disk rejects them: %s", error
            )
        self._fault = str(error)
        self._next_try = time.monotonic() + _RETRY_SECONDS
        return False


def _line(message: QueuedMessage) -> bytes:
    topic, payload = message
    return json.dumps([topic, payload.decode()]).encode() + b"\n"
