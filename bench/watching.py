"""Takes pictures of cameras or files, without a model: ``python -m bench.watching WAY SECONDS …``.

``WAY`` is ``ours`` or ``opencv``, ``SECONDS`` the time between two pictures of the same source, and
the rest are the sources. OpenCV's capture has to decode every frame, whatever is taken of them.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from bench.calls import serve


def main() -> None:
    """Take pictures until the process is killed."""
    way, seconds, *sources = sys.argv[1:]
    take = of_our_sources(sources) if way == "ours" else of_opencv(sources)
    pause = float(seconds) / len(sources)

    def first_of_all() -> None:
        for _ in sources:
            take()
        threading.Thread(target=forever, args=(take, pause), daemon=True).start()

    serve(first_of_all, 0.0)


def forever(take: Callable[[], object], pause: float) -> None:
    """Take a picture every ``pause`` seconds."""
    due = time.monotonic()
    while True:
        due += pause
        time.sleep(max(0.0, due - time.monotonic()))
        take()


def of_our_sources(sources: list[str]) -> Callable[[], object]:
    """Return a function that waits for the next picture of the component's own sources."""
    from inference.sources import NoFrameError, open_source

    opened = open_source(json.dumps(sources) if len(sources) > 1 else sources[0], repeat=True)

    def take() -> object:
        while True:
            try:
                return opened.read()
            except NoFrameError:
                continue

    return take


def of_opencv(sources: list[str]) -> Callable[[], object]:
    """Return a function that waits for a new picture of the next of OpenCV's captures."""
    import cv2

    newest: list[Any] = [None] * len(sources)
    news = [threading.Event() for _ in sources]

    def capture(index: int) -> None:
        reader = cv2.VideoCapture(sources[index])
        while True:
            _, newest[index] = reader.read()
            news[index].set()

    for index in range(len(sources)):
        threading.Thread(target=capture, args=(index,), daemon=True).start()
    turns = [0]

    def take() -> object:
        index = turns[0] % len(sources)
        turns[0] += 1
        news[index].wait()
        news[index].clear()
        return newest[index]

    return take


if __name__ == "__main__":
    main()
