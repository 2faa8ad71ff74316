"""Samples in a bucket of a local cloud, put there by the device's own code."""

from __future__ import annotations

import io
import json
import os
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from PIL import Image

from inference.feedback.configuration import FeedbackConfigurations, default_configuration
from inference.feedback.limiter import RequestLimiter
from inference.feedback.metadata import SampleOrigin
from inference.feedback.rate_limit import RateLimiter
from inference.feedback.s3 import S3
from inference.feedback.sampling import FeedbackSink
from inference.feedback.spool import Spool
from inference.feedback.uploader import Uploader
from inference.names import FEEDBACK_PREDICTION_TOPIC
from inference.pipeline.results import FrameResult
from inference.sources import Frame
from inference.vision.postprocess import Prediction
from inference.vision.scores import Scores
from local_core.cloud import LocalCloud
from stacks import names
from tests.cloud.support import Stacks, recipe

BEGIN = 1_795_000_000.0
"""18 November 2026, 11:06:40 UTC: the first frame; each later one is a minute younger."""
SIZE = (60, 40)
CUP = Prediction("cup", 0.9, (0.1, 0.2, 0.5, 0.7))
CAT = Prediction("cat", 0.4, (0.5, 0.0, 1.0, 1.0))
HOSTILE = '</dd><script>alert(1)</script>\x1b[31m\u202e"ü\r\n'


def jpeg(colour: str) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", SIZE, colour).save(encoded, "JPEG")
    return encoded.getvalue()


class _CloudOfTheShell:
    """The cloud that the environment of a shell names."""

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=os.environ["AWS_REGION"])

    def create_bucket(self, name: str) -> None:
        where = {"LocationConstraint": os.environ["AWS_REGION"]}
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)

    def environment(self) -> dict[str, str]:
        return {"AWS_DEFAULT_REGION": os.environ["AWS_REGION"]}


@dataclass
class KeptSamples:
    """A deployed core, or a fleet, whose cores keep samples."""

    cloud: LocalCloud | _CloudOfTheShell
    folder: Path
    fleet: str = ""
    name: str = field(default_factory=lambda: f"S{uuid.uuid4().hex[:8]}")
    messages: list[dict[str, Any]] = field(default_factory=list)
    frames: int = 0

    def __post_init__(self) -> None:
        self.bucket = f"samples-{uuid.uuid4().hex[:8]}"
        self.cloud.create_bucket(self.bucket)
        owner = self.fleet or self.name
        of_fleet = names.StackNames.of_fleet(owner)
        own = of_fleet if self.fleet else names.StackNames.of_core(owner)
        thing = names.thing_name(self.name)
        region = self.cloud.client("iot").meta.region_name
        self.target = f"arn:aws:iot:{region}:000000000000:thing/{thing}"
        if self.fleet:
            iot = self.cloud.client("iot")
            self.target = iot.create_thing_group(thingGroupName=self.fleet)["thingGroupArn"]
        things = {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": thing}}
        outputs = {"FeedbackBucket": self.bucket, "DeploymentTarget": self.target}
        Stacks(self.cloud).deploy(own.stack, {"Thing": things}, outputs)
        if self.fleet:
            self.cloud.client("iot").add_thing_to_thing_group(
                thingGroupName=self.fleet, thingName=thing
            )
        greengrass = self.cloud.client("greengrassv2")
        text = json.dumps(recipe(own.component, "1.0.0")).encode()
        greengrass.create_component_version(inlineRecipe=text)
        configuration = default_configuration(self.bucket).to_json()
        merge = json.dumps({"coreName": own.core, "feedbackConfiguration": configuration})
        greengrass.create_deployment(
            targetArn=self.target,
            components={
                own.component: {
                    "componentVersion": "1.0.0",
                    "configurationUpdate": {"merge": merge},
                }
            },
        )

    def keep(
        self,
        predictions: Sequence[Prediction],
        *,
        config_id: str = "Entropy",
        core: str | None = None,
        model: str = "fruit",
        colour: str = "white",
    ) -> str:
        """Let a core keep a frame for one configuration; return the key of its sample."""
        self.frames += 1
        captured = BEGIN + 60 * self.frames
        values = default_configuration(self.bucket).to_json()[config_id]
        every = {key: part for key, part in values.items() if key != "sampling-strategy"}
        if config_id != "RandomSamplingConfiguration":
            strategy = {"strategy-name": "LEAST_CONFIDENCE", "threshold": 1.0}
            every["sampling-strategy"] = strategy
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.cloud.environment().items():
                patch.setenv(name, value)
            self._keep(predictions, every, config_id, core or self.name, model, colour, captured)
        return str(self.messages[-1]["source-ref"]).removeprefix(f"s3://{self.bucket}/")

    def put(self, key: str, body: bytes | None = None) -> None:
        """Put a sample without metadata, as an older version did."""
        content = jpeg("red") if body is None else body
        self.cloud.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)

    def _keep(
        self,
        predictions: Sequence[Prediction],
        configuration: dict[str, object],
        config_id: str,
        core: str,
        model: str,
        colour: str,
        captured: float,
    ) -> None:
        def send(topic: str, payload: bytes) -> None:
            if topic == FEEDBACK_PREDICTION_TOPIC:
                self.messages.append(json.loads(payload))

        spool = Spool(self.folder / uuid.uuid4().hex, 1 << 20)
        uploader = Uploader(spool, S3().put_object, send)
        sink = FeedbackSink(
            SampleOrigin(core, model, "ab" * 32, "b1d0c5a2f3e4"),
            FeedbackConfigurations.parse({config_id: configuration}),
            spool,
            put=send,
            wake=uploader.wake,
            limiter=RequestLimiter(0),
            rate=RateLimiter(0, []),
            random=lambda: 0.0,
            folder=names.thing_name(core) if self.fleet else "",
        )
        width, height = SIZE
        image = np.zeros((height, width, 3), np.uint8)
        frame = Frame(self.frames, "camera:0", image, jpeg(colour), captured, 1.0)
        scores = Scores.of_detector(
            range(len(predictions)),
            [one.score for one in predictions],
            lambda index: predictions[index].label,
        )
        sink(
            frame,
            FrameResult(
                self.frames, "camera:0", width, height, captured, predictions, {}, lambda: scores
            ),
        )
        assert uploader.close(20) == 0, uploader.faults
        spool.close()


def main() -> None:
    """Let a core called Sampled keep samples in the cloud of the shell."""
    kept = KeptSamples(_CloudOfTheShell(), Path(tempfile.mkdtemp()), name="Sampled")
    for score in (0.41, 0.55):
        kept.keep([Prediction("cup", score, (0.1, 0.2, 0.5, 0.7))], config_id="LC50")


if __name__ == "__main__":
    main()
