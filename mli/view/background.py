"""Work that waits for AWS, in threads that do not keep the command from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from inference.feedback.configuration import FeedbackConfigurations

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Return what will have the result of ``work``, or what it raises.

    The threads of an executor, as ``asyncio.to_thread`` has them, are waited for when the process
    ends: minutes, if S3 does not answer.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="view work", daemon=True).start()
    return asyncio.wrap_future(future)


class Lookups:
    """Looks up the feedback configurations of cores, while messages go on to arrive.

    It is called with a core's name, and gives what it finds to ``use`` later.
    """

    def __init__(self, find: Callable[[str], FeedbackConfigurations | None]) -> None:
        self._find = find
        self._one_at_a_time = threading.Lock()
        self.use: Callable[[str, FeedbackConfigurations], None] = lambda core, found: None

    def __call__(self, core_name: str) -> None:
        """Begin to look up a core."""
        work = threading.Thread(target=self._run, args=(core_name,), name="lookup", daemon=True)
        work.start()

    def _run(self, core_name: str) -> None:
        with self._one_at_a_time:
            found = self._find(core_name)
        if found is not None:
            self.use(core_name, found)
