"""A call on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Runs ``call`` at once; what it raises is raised by :meth:`join`."""

    def __init__(self, call: Callable[[], None], *, name: str) -> None:
        self._error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self, seconds: float | None = None) -> bool:
        """Return whether the call has ended, after waiting for it; raise what it raised."""
        self._thread.join(seconds)
        if self._error is not None and not self._thread.is_alive():
            error, self._error = self._error, None
            raise error
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as error:
            self._error = error
