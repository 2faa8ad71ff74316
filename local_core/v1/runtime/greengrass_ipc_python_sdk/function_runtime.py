"""Runs one function as a long-lived process, given its handler as ``module.name``.

A pinned function works from its import on, often endlessly; its handler is called for
the messages and invocations that reach it.
"""

from __future__ import annotations

import base64
import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .ipc_client import IPCClient, IPCException, WorkItem

_LOG_FORMAT = "[%(asctime)s][%(levelname)s]-%(filename)s:%(lineno)d,%(message)s"

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 5.0

Handler = Callable[[Any, Any], Any]


def main(handler_path: str) -> int:
    """Import the function, and serve its invocations until the core ends them."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format=_LOG_FORMAT)
    watch = threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True)
    watch.start()
    module, _, name = handler_path.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), name)
    own_arn = os.environ["MY_FUNCTION_ARN"]
    client = IPCClient()
    while True:
        try:
            work = client.get_work(own_arn)
            if work is None:
                return 0
            _answer(client, own_arn, handler, work)
        except IPCException as error:
            logging.error("%s", error)
            return 1


def _end_with(core: int) -> None:
    """End this process and everything it started once the core is gone for any reason."""
    while os.getppid() == core:
        time.sleep(_POLL_SECONDS)
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


def _answer(client: IPCClient, own_arn: str, handler: Handler, work: WorkItem) -> None:
    try:
        result = handler(_event(work.payload), _context(own_arn, work))
        payload = result if isinstance(result, bytes) else json.dumps(result).encode()
    except Exception as error:
        logging.exception("the handler failed")
        fault = {"errorMessage": str(error), "errorType": type(error).__name__}
        client.post_handler_err(own_arn, work.invocation_id, json.dumps(fault).encode())
    else:
        client.post_work_result(own_arn, work._replace(payload=payload))


def _event(payload: bytes) -> Any:
    return payload if os.environ.get("ENCODING_TYPE") == "binary" else json.loads(payload or b"{}")


def _context(own_arn: str, work: WorkItem) -> Any:
    """Return what a handler gets as its context; the subject of a message is in ``custom``."""
    name, *version = own_arn.split(":")[6:]
    given = json.loads(base64.b64decode(work.client_context) or b"{}")
    return SimpleNamespace(
        function_name=name,
        function_version="".join(version),
        invoked_function_arn=own_arn,
        aws_request_id=work.invocation_id,
        identity=None,
        client_context=SimpleNamespace(
            client=given.get("client"), env=given.get("env"), custom=given.get("custom") or {}
        ),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
