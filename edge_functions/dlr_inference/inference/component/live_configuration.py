"""Changes of the configuration at run time: each is applied as a whole, or refused."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Mapping

from ..preflight import explained_errors
from ..schema import ConfigurationError

_log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
"""How long to wait before asking a nucleus again that did not answer."""

POLL_SECONDS = 30.0
"""How often to read the configuration without being told of a change. Nucleus lite before 2.6
forgets the subscription at a deployment that resets the configuration."""

SETTLE_SECONDS = 0.3
"""The nucleus reports one change leaf by leaf: wait for the rest of it."""


class LiveConfiguration:
    """Reads the configuration after each change and now and then, and applies what is new.

    ``apply`` raises an exception for values that cannot be used, and must then have changed
    nothing. ``refusal`` says why, until a change is applied.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, Any]],
        apply: Callable[[Mapping[str, Any]], None],
        *,
        settle: float = SETTLE_SECONDS,
        retry: float = RETRY_SECONDS,
        poll: float = POLL_SECONDS,
    ) -> None:
        """Start the thread."""
        self.refusal: str | None = None
        self._read = read
        self._apply = apply
        self._settle = settle
        self._retry = retry
        self._poll = poll
        self._last: Mapping[str, Any] | None = None
        self._is_unreadable = False
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="configuration", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Note that something changed; return at once."""
        self._changed.set()

    def close(self) -> None:
        """Stop, after waiting up to a second for a change in progress."""
        self._stopping.set()
        self._changed.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            is_reported = self._changed.wait(self._poll)
            if self._stopping.wait(self._settle if is_reported else 0):
                return
            self._changed.clear()
            try:
                values = self._read()
            except OSError as error:
                self._note_unreadable(error)
                self._stopping.wait(self._retry)
                self._changed.set()
                continue
            except ConfigurationError as error:
                if is_reported or self.refusal != str(error):
                    self._refuse(error)
                self._last = None  # so that what is read next is applied, and ends the refusal
                continue
            self._is_unreadable = False
            if is_reported:
                self._try(values)
            elif values != self._last:
                self._changed.set()  # it may be changing at this moment: let it settle

    def _try(self, values: Mapping[str, Any]) -> None:
        self._last = values
        try:
            with explained_errors():
                self._apply(values)
        except Exception as error:  # such as too little memory: the next change may be good
            self._refuse(error)
        else:
            self.refusal = None

    def _note_unreadable(self, error: OSError) -> None:
        if not self._is_unreadable:
            _log.warning("the configuration cannot be read yet: %s", error)
        self._is_unreadable = True

    def _refuse(self, error: Exception) -> None:
        self.refusal = str(error) or type(error).__name__
        _log.error("the new configuration is refused, the old one stays: %s", self.refusal)
