"""A custom resource's surroundings, new for each test."""

import threading
from collections.abc import Iterator

import boto3
import pytest

from tests.stacks.custom_resources.support import Answers, Stubs


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubs]:
    made = Stubs()
    monkeypatch.setattr(boto3, "client", lambda service: getattr(made, service).client)
    with made.cloudformation, made.iot, made.greengrassv2, made.s3, made.ssm:
        yield made
        made.cloudformation.assert_no_pending_responses()
        made.iot.assert_no_pending_responses()
        made.greengrassv2.assert_no_pending_responses()
        made.s3.assert_no_pending_responses()
        made.ssm.assert_no_pending_responses()


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    server = Answers()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
