"""What a V1 core gives to a process besides ``greengrasssdk``: modules, which note the calls.

Written into a folder for PYTHONPATH, so that the unmodified SDK runs in a process of its own.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODULES = {
    "greengrass_common/__init__.py": "",
    "greengrass_common/env_vars.py": """\
MY_FUNCTION_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:Demo:core"
ROUTER_FUNCTION_ARN = "router"
SHADOW_FUNCTION_ARN = SECRETS_MANAGER_FUNCTION_ARN = ""
""",
    "greengrass_common/function_arn_fields.py": """\
class FunctionArnFields:
    def __init__(self, arn):
        self.unqualified_arn, self.qualifier = arn, ""

    @staticmethod
    def build_function_arn(arn, qualifier):
        return arn
""",
    "greengrass_ipc_python_sdk/__init__.py": "",
    "greengrass_ipc_python_sdk/ipc_client.py": """\
import base64, json, os, time

class IPCException(Exception):
    pass

class IPCClient:
    def __init__(self, endpoint="localhost"):
        pass

    def post_work(self, arn, payload, context, kind="RequestResponse"):
        context = context if isinstance(context, str) else context.decode()
        call = {"arn": arn, "kind": kind, "context": context,
                "payload": base64.b64encode(payload).decode()}
        with open(os.environ["CALLS"], "a") as calls:
            calls.write(json.dumps(call) + "\\n")
        if os.environ.get("HANGS") == arn:
            time.sleep(3600)
        if os.environ.get("REFUSED") == arn:
            raise IPCException("Queue.Full")
        return "id"
""",
}


@dataclass(frozen=True)
class Call:
    """One call that the function made: of the router, or of the connector."""

    arn: str
    kind: str
    custom: dict[str, Any]
    payload: bytes


class V1Core:
    """The modules in a folder, and the calls that a process with them has made so far."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls.jsonl"
        self.modules = folder / "modules"
        self.variables = {"PYTHONPATH": str(self.modules), "CALLS": str(self._calls)}
        for name, text in MODULES.items():
            path = self.modules / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def calls(self) -> list[Call]:
        lines = self._calls.read_text().splitlines(keepends=True) if self._calls.exists() else []
        return [_call(json.loads(line)) for line in lines if line.endswith("\n")]


def _call(written: dict[str, str]) -> Call:
    custom = json.loads(base64.b64decode(written["context"]))["custom"]
    payload = base64.b64decode(written["payload"])
    return Call(written["arn"], written["kind"], custom, payload)
