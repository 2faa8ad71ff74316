"""A stand-in for AWS's Image Classification connector, which runs the group's model in DLR.

AWS's own runs the model of SageMaker's algorithm in MXNet, and knows how to prepare an image for
it. This one learns that from the profile of the function that uses it. Input, output and the
request to MLFeedback are the connector's; its limits of time and memory are not enforced.
https://docs.aws.amazon.com/greengrass/v1/developerguide/image-classification-connector.html
"""

from __future__ import annotations

import base64
import json
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from inference.errors import FrameError, ModelError
from inference.model.loaded import LoadedModel
from inference.model.profiles.profile import ModelProfile
from inference.serving.loading import load_model

from .group import GroupError
from .invocations import Invocation, QueueFullError, Result
from .logs import CoreLog

CONTENT_TYPES = ("image/jpeg", "image/png")
QUEUE_SIZE = 100

_NAME = "ImageClassification"
_STOP_SECONDS = 15.0

Offer = Callable[[Invocation], None]
"""Hands a request to the MLFeedback connector."""


def is_image_classification(connector: str) -> bool:
    """Return whether a connector's name is one of those for x86-64, ARMv7 and the Jetson TX2."""
    return connector.startswith(_NAME)


def service_function(region: str, parameters: Mapping[str, str]) -> str:
    """Return the ARN by which AWS's Machine Learning SDK invokes the connector.

    Raises:
        GroupError: if the service has no name.
    """
    name = parameters.get("LocalInferenceServiceName")
    if not name:
        raise GroupError("the Image Classification connector has no LocalInferenceServiceName")
    return f"arn:aws:lambda:{region}:aws:function:GG-ML-INF-image-classification-{name}"


class ImageClassificationConnector:
    """Classifies images; a context in which one thread handles the requests.

    ``model`` is the unpacked model. ``offer`` gets each image with its probabilities, if
    ``parameters`` name a feedback configuration.
    """

    def __init__(
        self,
        parameters: Mapping[str, str],
        *,
        model: Path,
        profile: ModelProfile,
        offer: Offer,
        log: CoreLog,
    ) -> None:
        self._feedback_id = parameters.get("MLFeedbackConnectorConfigId", "")
        self._model = model
        self._profile = profile
        self._offer = offer
        self._log = log
        self._requests: queue.Queue[Invocation | None] = queue.Queue(QUEUE_SIZE)
        self._worker = threading.Thread(target=self._work_off, name="v1-classifier", daemon=True)
        self._classify: Callable[[bytes], list[float]]

    def __enter__(self) -> ImageClassificationConnector:
        """Load the model.

        Raises:
            GroupError: if it cannot be used.
        """
        try:
            self._classify = _classifier(load_model(self._model, self._model, self._profile, "cpu"))
        except ModelError as error:
            raise GroupError(f"the Image Classification connector cannot start: {error}") from None
        self._worker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Finish what was taken in, as far as that does not take too long."""
        self._requests.put(None)
        self._worker.join(_STOP_SECONDS)

    def accept(self, work: Invocation) -> None:
        """Queue an image.

        Raises:
            QueueFullError: if there is too much of it.
        """
        try:
            self._requests.put_nowait(work)
        except queue.Full:
            raise QueueFullError from None

    def _work_off(self) -> None:
        while (work := self._requests.get()) is not None:
            try:
                work.finish(self._answer(work))
            except Exception as error:  # one request must not stop the others
                self._log.warn(f"request {work.id} failed: {error!r}")
                work.finish(Result.failure("Unhandled", str(error)))

    def _answer(self, work: Invocation) -> Result:
        kind = work.custom.get("Content-Type")
        if kind not in CONTENT_TYPES:
            return self._refusal(work, f"Content-Type {kind!r} is not {' or '.join(CONTENT_TYPES)}")
        try:
            probabilities = self._classify(work.payload)
        except (FrameError, ModelError) as error:
            return self._refusal(work, str(error))
        if self._feedback_id:
            self._request_feedback(work.payload, probabilities)
        body = json.dumps(probabilities, separators=(",", ":"))
        reply = {"Body": body, "Content-Type": "application/json"}
        return Result(json.dumps(reply).encode())

    def _refusal(self, work: Invocation, reason: str) -> Result:
        self._log.warn(f"request {work.id} refused: {reason}")
        return Result.failure("Handled", reason)

    def _request_feedback(self, image: bytes, probabilities: list[float]) -> None:
        custom = {"ConfigId": self._feedback_id, "ModelPrediction": probabilities}
        context = base64.b64encode(json.dumps({"custom": custom}).encode()).decode()
        try:
            self._offer(Invocation(image, context))
        except Exception as error:  # the prediction is good, whatever becomes of the sample
            self._log.warn(f"not offered to {self._feedback_id}: {error!r}")


def _classifier(loaded: LoadedModel) -> Callable[[bytes], list[float]]:
    """Return what turns an image into the probability of each class, in the classes' order."""
    from inference.vision.images import decode
    from inference.vision.postprocess import Postprocessor
    from inference.vision.preprocess import Preprocessor

    preprocess = Preprocessor(loaded.profile.input)
    postprocess = Postprocessor(loaded.profile)

    def classify(image: bytes) -> list[float]:
        tensor, fit = preprocess(decode(image, "the image"))
        found = postprocess.decode(loaded.model.run(tensor))
        return list(postprocess.scores(found, fit).values)

    return classify
