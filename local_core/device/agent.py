"""What the core devices of all generations do alike."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from ..errors import LocalCoreError
from .mqtt import MqttConnection, tls_context
from .setup import CoreConfiguration

POLL_SECONDS = 0.3
_log = logging.getLogger(__name__)


class CloudUnreachableError(LocalCoreError, OSError):
    """The cloud cannot be reached, or refuses a report."""


class DeviceAgent(ABC):
    """A context in which a core is connected, and carries out its deployments on a thread.

    ``endpoint`` is the API of the cloud; ``on_verdict`` is called with the result of each
    deployment.
    """

    def __init__(
        self,
        configuration: CoreConfiguration,
        *,
        endpoint: str,
        on_verdict: Callable[[str, str], None],
    ) -> None:
        self._tls = tls_context(configuration)
        self.broker = MqttConnection(configuration.broker, configuration.thing_name, self._tls)
        self._configuration = configuration
        self._endpoint = endpoint
        self._on_verdict = on_verdict
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="core-agent", daemon=True)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.broker)
            self._open_core(opened)
            self._thread.start()
            opened.callback(self._stop)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    @abstractmethod
    def _open_core(self, opened: ExitStack) -> None:
        """Open what the core needs before it is deployed to."""

    @abstractmethod
    def _work(self) -> None:
        """Carry out what is new. Called again and again.

        Raises:
            OSError: if the cloud cannot be reached.
        """

    def _on_unreachable(self) -> None:  # noqa: B027 - most cores have nothing to do here
        """Prepare for getting orders again after the cloud could not be reached."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._work()
            except OSError as error:
                _log.warning("%s", error)
                self._on_unreachable()
            self._stopping.wait(POLL_SECONDS)

    def _stop(self) -> None:
        self._stopping.set()
        self._thread.join()
