"""AWS that throttles, and a process that ends at a given request, for commands that can resume."""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.client
import botocore.endpoint
import pytest

import mli.fleet.options
from mli import aws
from tests.mli.support import refusal
from tests.waiting import replace_time


class Killed(BaseException):
    """The end of the process: nothing catches it."""


@contextmanager
def killed_at(number: int, *, is_answered: bool) -> Iterator[list[str]]:
    """End the process at its ``number``-th request, before it is sent or after it has been done.

    Yields the operations that have been called.
    """
    inner, lock = botocore.client.BaseClient._make_api_call, threading.Lock()
    calls: list[str] = []

    def call(client: Any, operation: str, parameters: Any) -> Any:
        with lock:
            calls.append(operation)
            is_last = len(calls) == number
        if len(calls) > number or (is_last and not is_answered):
            raise Killed(operation)
        try:
            return inner(client, operation, parameters)
        finally:
            if is_last:
                raise Killed(operation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", call)
        yield calls


@contextmanager
def throttled(share: float, seed: int) -> Iterator[list[str]]:
    """Let AWS throttle this share of all requests; yields the events of those that it throttled.

    The clients' pauses before they try again are left out.
    """
    chance, lock = random.Random(seed), threading.Lock()
    refused: list[str] = []
    answer = refusal("ThrottlingException", "Rate exceeded", 429)

    def handle(request: Any, event_name: str, **options: Any) -> Any:
        with lock:
            if chance.random() >= share:
                return None
            refused.append(event_name)
        return answer(request)

    class Session(boto3.Session):  # type: ignore[misc]  # botocore has no types
        def client(self, *arguments: Any, **options: Any) -> Any:
            made = super().client(*arguments, **options)
            made.meta.events.register_first("before-send", handle)
            return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "Session", Session)
        replace_time(patch, botocore.endpoint, sleep=lambda seconds: None)
        yield refused


def until_done(run: Callable[[], object], *, is_answered: bool, most: int = 200) -> list[str]:
    """Run a command again and again, ended at its first request, its second, and so on.

    Returns the operation at which each run ended, but the last, which came to its end.
    """
    ended = []
    for number in range(1, most):
        with killed_at(number, is_answered=is_answered):
            try:
                run()
            except Killed as at:
                ended.append(str(at))
                continue
        return ended
    raise AssertionError(f"not done after {most} runs: {ended}")


def faulty(
    monkeypatch: pytest.MonkeyPatch, event: str, answer: Callable[..., Any], after: int
) -> None:
    """Let AWS answer so to every request of ``event`` but the first ``after``."""
    inner, lock, calls = aws.clients, threading.Lock(), []

    def clients(region: str | None = None, profile: str | None = None) -> Callable[[str], Any]:
        made = inner(region, profile)

        def handle(request: Any, **options: Any) -> Any:
            with lock:
                calls.append(request)
                return answer(request) if len(calls) > after else None

        @functools.cache
        def get(service: str) -> Any:
            client = made(service)
            client.meta.events.register_first(f"before-send.{event}", handle)
            return client

        return get

    monkeypatch.setattr(mli.fleet.options, "clients", clients)
