"""A cloud, and uploaders that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from inference.feedback.spool import Spool
from inference.feedback.uploader import Uploader

from .support import Cloud


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def start(cloud: Cloud) -> Iterator[Callable[[Spool], Uploader]]:
    started: list[Uploader] = []

    def begin(spool: Spool) -> Uploader:
        uploader = Uploader(
            spool,
            cloud.put_object,
            cloud.send,
            first_wait=0.01,
            longest_wait=0.05,
            refused_seconds=0.2,
        )
        started.append(uploader)
        return uploader

    yield begin
    for uploader in started:
        uploader.close(0.1)
