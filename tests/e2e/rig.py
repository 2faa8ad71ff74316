"""One core on the whole path: certificate, model, ``cdk deploy``, set-up, and the device itself."""

from __future__ import annotations

import io
import json
import queue
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference import names
from inference.names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC
from local_core.device.generation import Device
from local_core.device.generations import GENERATIONS
from local_core.device.watcher import Received, Watcher
from local_core.nucleus.dialect import CLASSIC, Nucleus
from local_core.run.shared_cloud import MODEL_BUCKET, SharedCloud
from local_core.run.target import PreparedCore, Target
from models import store
from stacks.names import component_name
from tests import environments
from tests.cloud.support import Stacks
from tests.e2e import assembly
from tests.waiting import eventually

MODEL = "efficientnet-lite0-imagenet"
SEED = 7
OPTIONS: Mapping[int, Mapping[str, Any]] = {
    1: {"seed": SEED},
    2: {"environment": {"FEEDBACK_SEED": str(SEED)}, "settle": 2.0},
}
SECONDS = 180.0
"""The most that anything may take, on a busy machine."""


def target(generation: int, name: str = "") -> Target:
    """Return a core that predicts the four photographs, two or three a second."""
    name = name or f"E2E-V{generation}"
    return Target(name, store.unpacked(MODEL), MODEL, "static", "list", 0.4, generation)


class Verdicts:
    """What a core reports about its deployments, in their order."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def put(self, status: str, reason: str) -> None:
        self._waiting.put((status, reason))

    def next(self) -> tuple[str, str]:
        """Wait for the next one.

        Raises:
            queue.Empty: if there is none in time.
        """
        return self._waiting.get(timeout=SECONDS)


@dataclass(frozen=True)
class Record:
    """What one run of a core has sent, and the keys of the samples that it has put into S3."""

    predictions: list[Any]
    samples: list[Any]
    statuses: list[Any]
    keys: list[str]


@dataclass
class Rig:
    """A core of one generation, and who listens to it."""

    shared: SharedCloud
    watcher: Watcher
    prepared: PreparedCore
    nucleus: Nucleus = CLASSIC
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the component's scripts find in their environment besides the seed (V2)."""
    installed: bool = False
    """Whether the device has the component's packages already (V2)."""
    by_cli: bool = True
    """Whether the CLI makes the first deployment."""

    def __post_init__(self) -> None:
        self.outputs: Mapping[str, str] = {}
        self.device: Device | None = None
        self.verdicts = Verdicts()
        self.first_verdict: tuple[str, str] | None = None
        """The one on the first deployment."""
        self._deployed: dict[str, str | None] | None = None
        """What the last deployment changed in the context; None while there is no stack."""

    @property
    def generation(self) -> int:
        return self.prepared.target.greengrass_version

    @property
    def core_name(self) -> str:
        return self.prepared.target.core_name

    @property
    def thing(self) -> str:
        return f"{self.core_name}_Core"

    @property
    def prediction_topic(self) -> str:
        return names.prediction_topic(self.prepared.target.core_name)

    @property
    def context(self) -> dict[str, str]:
        return dict(self.prepared.context)

    def client(self, service: str) -> Any:
        return self.shared.cloud.client(service)

    def ensure_running(self, **changes: str | None) -> None:
        """Bring the core to a known state, whatever an earlier test has left.

        Its stack is deployed with these changes of the context, it runs, and no verdict waits.
        """
        if self._deployed != changes:
            self.deploy(**changes)
            if self.device is not None:
                self.verdict()
        if self.device is None:
            self.start()
            verdict = self.verdict()
            self.first_verdict = self.first_verdict or verdict

    def deploy(self, **changes: str | None) -> None:
        """Deploy with the user's context, and do the group's command in V1.

        None takes a key out of the context.

        Raises:
            StackError: with CloudFormation's reasons.
        """
        changed = {**self.context, **changes}
        context = {key: value for key, value in changed.items() if value is not None}
        deployer = self.shared.deployer()
        if self._deployed is None and self.by_cli:
            deployer.deploy(context)
        else:
            assembly.deploy(self.shared, context)
        self._deployed = changes  # only now: a failed update is rolled back
        self.outputs = deployer.outputs(self.prepared.stack)
        self.shared.finish_deployment(self.prepared, self.outputs)

    def start(self) -> None:
        """Set the core up from the stack's output, and start it."""
        generation = GENERATIONS[self.generation]
        options = dict(OPTIONS[self.generation])
        if self.environment:
            options["environment"] = {**options["environment"], **self.environment}
        file = generation.write_configuration(self.outputs["GreengrassConfig"], self.prepared.root)
        if self.installed:
            environments.put_on(self.prepared.root, component_name(self.core_name))
        self.device = generation.device(
            generation.read_configuration(file),
            endpoint=self.shared.cloud.endpoint,
            on_change=lambda change: None,
            on_verdict=self.verdicts.put,
            nucleus=self.nucleus,
            **options,
        )
        self.device.__enter__()

    def destroy(self) -> None:
        """Delete the stack."""
        self._deployed = None
        Stacks(self.shared.cloud).delete(self.prepared.stack)

    def stop(self) -> None:
        device, self.device = self.device, None
        if device is not None:
            device.__exit__(None, None, None)

    def verdict(self) -> tuple[str, str]:
        """Return the next one, or fail with the core's log."""
        try:
            return self.verdicts.next()
        except queue.Empty:
            raise AssertionError(f"no verdict; the core's log: {self.log()}") from None

    def log(self) -> str:
        logs = [*self.prepared.root.glob("logs/*.log"), *self.prepared.root.rglob("user/**/*.log")]
        return "\n".join(log.read_text()[-3_000:] for log in logs)

    def next_predictions(self, number: int = 4) -> list[list[dict[str, Any]]]:
        """Return those of the next frames that arrive from now on."""
        before = len(self.watcher.on(self.prediction_topic))
        try:
            found = eventually(lambda: self._from(before, number))
        except AssertionError:
            raise AssertionError(f"no predictions; the core's log: {self.log()}") from None
        return [json.loads(message.payload) for message in found]

    def processes(self) -> set[int]:
        """Return the process of the component, by its command line."""
        root = str(self.prepared.root).encode()
        found = set()
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = file.read_bytes().split(b"\0")
            except OSError:
                continue  # It ended meanwhile.
            ours = any(word.startswith(root) and word.endswith(b"component.py") for word in words)
            if ours and b"run" in words:
                found.add(int(file.parent.name))
        return found

    def is_silent(self, topic: str, seconds: float = 2.0) -> bool:
        before = len(self.watcher.on(topic))
        time.sleep(seconds)
        return len(self.watcher.on(topic)) == before

    def record(self) -> Record:
        """Run the core from its start to its end; return what that has left in the cloud."""
        self.stop()
        bucket = self.outputs["FeedbackBucket"]
        topics = (self.prediction_topic, FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC)
        before = [len(self.watcher.on(topic)) for topic in topics]
        keys = set(self.shared.samples(bucket))
        self.start()
        self.next_predictions(8)
        self.verdict()
        self.stop()
        self._wait_for_the_broker()
        predictions, samples, statuses = (
            [json.loads(message.payload) for message in self.watcher.on(topic)[start:]]
            for topic, start in zip(topics, before, strict=True)
        )
        found = self.shared.samples(bucket)
        assert keys <= set(found)
        return Record(predictions, samples, statuses, sorted(set(found) - keys))

    def key_of(self, sample: Mapping[str, Any]) -> str:
        """Return the key in this core's bucket of which a message of a sample speaks."""
        prefix = f"s3://{self.outputs['FeedbackBucket']}/"
        assert sample["source-ref"].startswith(prefix)
        return str(sample["source-ref"].removeprefix(prefix))

    def _wait_for_the_broker(self) -> None:
        """Wait until all that was published so far has arrived: a later message does."""
        topic = "mli/end-of-run"
        before = len(self.watcher.on(topic))
        self.client("iot-data").publish(topic=topic, qos=1, payload=b"{}")
        eventually(lambda: len(self.watcher.on(topic)) > before)

    def upload_bad_model(self) -> str:
        """Return the URI of an archive in which there is no model."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as opened:
            opened.addfile(tarfile.TarInfo("compiled.params"))
        body = archive.getvalue() if self.generation == 2 else b"not an archive"
        self.client("s3").put_object(Bucket=MODEL_BUCKET, Key="bad/model.tar.gz", Body=body)
        return f"s3://{MODEL_BUCKET}/bad/model.tar.gz"

    @contextmanager
    def model_gone(self) -> Iterator[None]:
        """Take the model that is deployed out of S3 for a while."""
        bucket, _, key = self.context["modelS3Uri"].removeprefix("s3://").partition("/")
        client = self.client("s3")
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        client.delete_object(Bucket=bucket, Key=key)
        try:
            yield
        finally:
            client.put_object(Bucket=bucket, Key=key, Body=body)

    def _from(self, start: int, number: int) -> list[Received]:
        found = self.watcher.on(self.prediction_topic)[start:]
        return found[:number] if len(found) >= number else []


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the content of every file, but for what Python caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
