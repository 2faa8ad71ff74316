"""What several tests of the V1 core need: a group with functions of their own, and a world."""

from __future__ import annotations

import base64
import io
import json
import queue
import tarfile
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from local_core.v1.core import V1Core, V1Identity, V1Services
from local_core.v1.function import Pacing
from local_core.v1.group import GroupDocuments
from local_core.v1.invocations import Invocation

SECONDS = 10
ACCOUNT = "arn:aws:lambda:eu-west-1:123456789012:function"
FUNCTION = f"{ACCOUNT}:Inference:prod"
OTHER = f"{ACCOUNT}:Other:3"
CONNECTOR = "arn:aws:greengrass:eu-west-1::/connectors/MLFeedback/versions/1"
FEEDBACK = "arn:aws:lambda:eu-west-1:aws:function:MLFeedback"
IDLE = "def function_handler(event, context):\n    return None\n"


def feedback_map(**strategies: tuple[str, float]) -> dict[str, Any]:
    """Return a configuration for each strategy: its name and its rate or threshold."""
    return {
        config_id: {
            "s3-bucket-name": "samples",
            "s3-prefix": config_id.lower(),
            "content-type": "image/jpeg",
            "file-ext": "jpg",
            "sampling-strategy": {
                "strategy-name": name,
                "rate" if name == "RANDOM_SAMPLING" else "threshold": limit,
            },
        }
        for config_id, (name, limit) in strategies.items()
    }


def function_entry(arn: str, **environment: Any) -> dict[str, Any]:
    """Return a long-lived NoContainer function, as the API returns it."""
    return {
        "Id": arn.split(":")[6],
        "FunctionArn": arn,
        "FunctionConfiguration": {
            "Pinned": True,
            "Timeout": 60,
            "EncodingType": "json",
            "Environment": {"Execution": {"IsolationMode": "NoContainer"}, **environment},
        },
    }


def connector_entry(configurations: dict[str, Any], limit: str = "") -> dict[str, Any]:
    """Return the MLFeedback connector, as the API returns it."""
    return {
        "Id": "Feedback",
        "ConnectorArn": CONNECTOR,
        "Parameters": {
            "FeedbackConfigurationMap": json.dumps(configurations),
            "RequestLimit": limit,
        },
    }


TALK = """
import json, os, sys
import greengrasssdk
iot = greengrasssdk.client('iot-data')
functions = greengrasssdk.client('lambda')
def say(**what):
    iot.publish(topic='said', payload=json.dumps(what, default=repr))
def attempt(call, **arguments):
    try:
        result = call(**arguments)
    except Exception as error:
        return {'raised': type(error).__name__, 'why': str(error)}
    if isinstance(result, dict):
        body = result['Payload']
        body = body if isinstance(body, bytes) else body.read()
        return {'error': result['FunctionError'], 'payload': body.decode()}
    return {'returned': result}
"""
"""The beginning of a function that says on a topic of its own what its calls gave."""
SAYS = (FUNCTION, "said", "cloud")


def group(
    functions: list[dict[str, Any]],
    subscriptions: list[tuple[str, str, str]] = [],  # noqa: B006
    connectors: list[dict[str, Any]] = [],  # noqa: B006
    resources: list[dict[str, Any]] = [],  # noqa: B006
) -> GroupDocuments:
    """Return a group of entries as the API returns them; a subscription is its three parts."""
    keys = ("Source", "Subject", "Target")
    ways = [{"Id": str(i), **dict(zip(keys, s, strict=True))} for i, s in enumerate(subscriptions)]
    return GroupDocuments.parse(
        functions={"Definition": {"Functions": functions}},
        subscriptions={"Definition": {"Subscriptions": ways}},
        connectors={"Definition": {"Connectors": connectors}},
        resources={"Definition": {"Resources": resources}},
    )


def zipped(**files: str) -> bytes:
    """Return a zip archive of Python modules by their names."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, text in files.items():
            opened.writestr(f"{name}.py", textwrap.dedent(text))
    return archive.getvalue()


def archive(**files: bytes) -> bytes:
    """Return a tar.gz of files; ``__`` in a name stands for a slash."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def resource_entry(path: str = "/model", identity: str = "model") -> dict[str, Any]:
    """Return a model resource, as the API returns it."""
    return {
        "Id": identity,
        "Name": "DlrModel",
        "ResourceDataContainer": {
            "S3MachineLearningModelResourceData": {
                "DestinationPath": path,
                "S3Uri": "s3://bucket/model.tar.gz",
                "OwnerSetting": {"GroupOwner": "ggc_model", "GroupPermission": "ro"},
            }
        },
    }


def work(payload: bytes = b"", **custom: Any) -> Invocation:
    """Return an invocation whose client context holds ``custom``."""
    context = base64.b64encode(json.dumps({"custom": custom}).encode()).decode()
    return Invocation(payload, context)


class NoSuchBucket(Exception):
    """What S3's client raises for a bucket that is not there."""


@dataclass
class World:
    """The cloud around a core: code to fetch, a bucket, and what was published."""

    root: Path
    code: dict[str, str | bytes] = field(default_factory=dict)
    objects: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    models: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.published: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Take a message to the cloud."""
        assert qos == 1
        self.published.put((topic, payload))

    def put_object(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Keep an object; there is one bucket."""
        if bucket != "samples":
            raise NoSuchBucket("The specified bucket does not exist")
        self.objects[bucket, key] = (body, content_type)

    def fetch_model(self, uri: str, destination: Path) -> None:
        """Write a model."""
        if uri not in self.models:
            raise OSError("there is no such object")
        destination.write_bytes(self.models[uri])

    def next_message(self) -> tuple[str, Any]:
        """Return the topic and the JSON of the next message to the cloud."""
        topic, payload = self.published.get(timeout=SECONDS)
        return topic, json.loads(payload)

    def said(self) -> dict[str, Any]:
        """Return what a function said next."""
        topic, message = self.next_message()
        assert topic == "said"
        return dict(message)

    def system_log(self, part: str) -> str:
        """Return what a part of the core has logged."""
        return (self.root / "ggc" / "var" / "log" / "system" / f"{part}.log").read_text()

    @contextmanager
    def core(
        self, documents: GroupDocuments, *, seed: int = 1, pause: float = 0.05, grace: float = 1.0
    ) -> Iterator[V1Core]:
        """Run a core with these documents and the functions in ``code``, by ARN.

        A function's code is a module as text, or a zip file.
        """

        def fetch_code(arn: str) -> bytes:
            code = self.code[arn]
            return code if isinstance(code, bytes) else zipped(lambda_function=code)

        services = V1Services(
            fetch_code=fetch_code,
            fetch_model=self.fetch_model,
            put_object=self.put_object,
            publish=self.publish,
        )
        core = V1Core(
            V1Identity("Toradex2_Core", "group-1", self.root, "eu-west-1"),
            documents,
            services,
            random=Random(seed).random,
            pacing=Pacing(first_seconds=pause, stop_grace_seconds=grace),
        )
        with core:
            yield core
