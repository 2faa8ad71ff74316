"""The real component as a process, between a real IPC server and the local cloud's S3."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_functions import CODE_FOLDER
from inference.model.artifacts.digests import record_digests
from inference.names import prediction_topic, preview_topic, telemetry_topic
from local_core.cloud import LocalCloud
from tests.inference.tiny_onnx import like_demo_classifier, save
from tests.local_core.support import MQTT, Bench, InMemoryCloud, policy
from tests.waiting import eventually

CORE = "core1"
COMPONENT = "DlrInference.core1"
MODEL = "efficientnet-lite0-imagenet"
BUCKET = "feedback-bucket"
FEEDBACK = {
    "all": {
        "s3-bucket-name": BUCKET,
        "s3-prefix": "samples",
        "content-type": "image/jpeg",
        "file-ext": "jpg",
    }
}


class Broker(InMemoryCloud):
    """IoT Core, which can be unreachable or not answer, and what arrived there by topic."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.answers = threading.Event()
        self.answers.set()
        self.arrived: list[tuple[str, Any]] = []
        self.arrived_at: list[float] = []
        """The ``time.monotonic`` of each."""
        self._arrivals = threading.Lock()

    def publish_to_cloud(self, component: str, topic: str, qos: int, payload: bytes) -> None:
        if self.away:
            raise ConnectionError("broker away")
        self.answers.wait()
        with self._arrivals:
            content = payload if topic == preview_topic(CORE) else json.loads(payload)
            self.arrived.append((topic, content))
            self.arrived_at.append(time.monotonic())

    def on(self, topic: str) -> list[Any]:
        """Return what arrived on ``topic`` so far."""
        with self._arrivals:
            return [payload for name, payload in self.arrived if name == topic]


class Rig:
    """A component under test, with everything around it that can be removed."""

    def __init__(
        self, bench: Bench, broker: Broker, cloud: LocalCloud, work: Path, model: Path
    ) -> None:
        self.bench = bench
        self.broker = broker
        self.cloud = cloud
        self.work = work
        self.log = work / "component.log"
        self.model = model
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}
        """Further variables in the component's environment."""

    def configure(self, **changes: object) -> None:
        """Set the configuration with which the component will start."""
        access = {MQTT: policy(["PublishToIoTCore"], ["*"])}
        values = {
            "coreName": CORE,
            "inferenceInterval": 0.05,
            "feedbackRateLimit": 0,  # tests count samples
            "accessControl": access,
        }
        self.bench.store.put(COMPONENT, {**values, **changes})

    def install(self, version: str) -> None:
        """Put the model where a nucleus puts the artifacts of a component's version."""
        folder = self.work / "artifacts" / COMPONENT / version
        folder.mkdir(parents=True)
        (folder / self.model.name).symlink_to(self.model)
        self.model = folder / self.model.name

    def merge(self, **changes: object) -> None:
        """Change the configuration of the running component, as a deployment's merge does."""
        self.bench.store.merge(COMPONENT, (), changes)

    def start(self) -> None:
        """Start the component's process."""
        script = CODE_FOLDER / "component.py"
        environment = {
            **self.cloud.environment(),
            "SVCUID": self.bench.server.register(COMPONENT),
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(self.bench.socket_path),
            "AWS_IOT_THING_NAME": f"{CORE}_Core",
            "FEEDBACK_SEED": "1",
            **self.environment,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, str(script), "run", "--work", str(self.work)),
                    *("--model", str(self.model), "--profile", MODEL),
                ],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop the component with a signal and return its exit status."""
        assert self.process is not None
        os.kill(self.process.pid, number)
        status = self.process.wait(timeout=15)
        self.process = None
        return status

    def predictions(self) -> list[Any]:
        return self.broker.on(prediction_topic(CORE))

    def unsent(self, topic: str) -> list[Any]:
        """Return what waits on the component's disk for the broker on ``topic``."""
        file = self.work / "unsent.jsonl"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [json.loads(entry[1]) for entry in entries if entry[0] == topic]

    def await_no_broker(self) -> None:
        """Wait until telemetry that cannot be sent has the reason."""
        eventually(lambda: "no broker" in str(self.unsent(telemetry_topic(CORE))))

    def faults(self) -> list[str]:
        """Return the names of the faults in the newest telemetry."""
        telemetry = self.broker.on(telemetry_topic(CORE))
        newest = telemetry[-1]["health"]["faults"] if telemetry else []
        return [fault.split(":")[0] for fault in newest]

    def states(self) -> list[str]:
        """Return the states that the component reported to the nucleus."""
        return [state for _, state in self.bench.states]

    def samples(self) -> list[str]:
        """Return the keys in the feedback bucket."""
        pages = self.cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def await_predictions(self, more: int = 1) -> None:
        """Wait until this many more predictions have arrived."""
        wanted = len(self.predictions()) + more
        eventually(lambda: len(self.predictions()) >= wanted, seconds=20)


@pytest.fixture(scope="session")
def s3_cloud() -> Iterator[LocalCloud]:
    """A local cloud of which these tests use S3."""
    with LocalCloud() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact for the profile of ``MODEL`` that starts and predicts with little work."""
    file = save(like_demo_classifier(), tmp_path_factory.mktemp("model") / "model.onnx")
    record_digests(file.parent)
    return file.parent


@pytest.fixture(scope="session")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The marks of models that components have tried: each was tried by the first one."""
    return tmp_path_factory.mktemp("tried")


@contextmanager
def running_rig(cloud: LocalCloud, work: Path, model: Path) -> Iterator[Rig]:
    """Yield a rig; kill its process at the end if it is still running."""
    broker = Broker()
    with tempfile.TemporaryDirectory(prefix="ipc-") as folder:
        bench = Bench(Path(folder) / "s", cloud=broker)
        with bench.served():
            rig = Rig(bench, broker, cloud, work, model)
            rig.configure()
            try:
                yield rig
            finally:
                if rig.process is not None:
                    rig.process.kill()
                    rig.process.wait()
                broker.answers.set()


@pytest.fixture
def rig(s3_cloud: LocalCloud, tmp_path: Path, model: Path, tried: Path) -> Iterator[Rig]:
    """A component with an empty feedback bucket."""
    s3 = s3_cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    shutil.copytree(tried, tmp_path, dirs_exist_ok=True)
    with running_rig(s3_cloud, tmp_path, model) as made:
        for key in made.samples():  # the component of the test before uploaded until its end
            s3.delete_object(Bucket=BUCKET, Key=key)
        yield made
        for mark in tmp_path.glob("tried-*"):
            shutil.copy(mark, tried)
