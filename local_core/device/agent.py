"""What the core devices of all generations do alike."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

from .mqtt import MqttConnection, tls_context
from .orders import OrdersClient
from .setup import CoreConfiguration

POLL_SECONDS = 0.3
_log = logging.getLogger(__name__)


class DeviceAgent(ABC):
    """A context in which a core is connected, and carries out its orders on a thread.

    ``endpoint`` is the API of the cloud; ``on_verdict`` is called with the result of each
    deployment.
    """

    def __init__(
        self,
        configuration: CoreConfiguration,
        *,
        generation: int,
        endpoint: str,
        on_verdict: Callable[[str, str], None],
    ) -> None:
        self._tls = tls_context(configuration)
        self.broker = MqttConnection(configuration.broker, configuration.thing_name, self._tls)
        self._configuration = configuration
        self._endpoint = endpoint
        self._on_verdict = on_verdict
        self._cloud = OrdersClient(endpoint, generation, configuration.thing_name)
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
        """Open what the core needs before it gets orders."""

    @abstractmethod
    def _obey(self, orders: Any) -> None:
        """Carry out what is new in the cloud's orders.

        Raises:
            OSError: if the cloud cannot be reached.
        """

    def _on_unreachable(self) -> None:  # noqa: B027 - most cores have nothing to do here
        """Prepare for getting orders again after the cloud could not be reached."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._obey(self._cloud.orders())
            except OSError as error:
                _log.warning("%s", error)
                self._on_unreachable()
            self._stopping.wait(POLL_SECONDS)

    def _stop(self) -> None:
        self._stopping.set()
        self._thread.join()
