"""A first-generation core as a function sees it, through the Greengrass SDK."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Mapping, Sequence

QUEUE_FULL_POLICY = "AllOrException"
"""A message that does not fit into the core's queue is an error to count, not a silent loss."""

_MAX_SHOWN_BYTES = 200


class Core:
    """The local message router and the connectors of a V1 core."""

    def __init__(self) -> None:
        """Connect.

        Raises:
            OSError: if this process is not a function of a V1 core, or lacks the SDK.
        """
        try:
            import greengrasssdk

            self._data = greengrasssdk.client("iot-data")
            self._functions = greengrasssdk.client("lambda")
        except ImportError as error:
            raise OSError(
                f"the Greengrass V1 SDK cannot be used ({error}): install it for this Python with "
                "`pip install greengrasssdk`; it works on a Greengrass V1 core only"
            ) from None

    def publish(self, topic: str, payload: bytes) -> None:
        """Pass ``payload`` to the core's router, which forwards it by the group's subscriptions.

        The V1 SDK offers no choice of quality of service; the core decides.

        Raises:
            OSError: if the core does not accept it.
        """
        try:
            self._data.publish(topic=topic, payload=payload, queueFullPolicy=QUEUE_FULL_POLICY)
        except Exception as error:  # the SDK raises bare exceptions of its own
            raise OSError(f"the Greengrass core refused a message on {topic}: {error}") from None

    def request_feedback(
        self,
        connector: str,
        config_id: str,
        data: bytes,
        prediction: Sequence[float],
        metadata: Mapping[str, str],
    ) -> None:
        """Send the MLFeedback connector a sample; it answers on its status topic.

        https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html#ml-feedback-connector-data-input

        Raises:
            OSError: if the core does not accept it.
        """
        request = {
            "ConfigId": config_id,
            "ModelPrediction": list(prediction),
            "Metadata": dict(metadata),
        }
        try:
            self._functions.invoke(
                FunctionName=connector,
                InvocationType="Event",
                ClientContext=_encoded({"custom": request}),
                Payload=data,
            )
        except Exception as error:  # the SDK raises bare exceptions of its own
            raise OSError(f"the MLFeedback connector refused a sample: {error}") from None

    def request_inference(self, service: str, data: bytes, content_type: str) -> list[float]:
        """Return the probabilities that the Image Classification connector finds for an image.

        ``service`` is the ARN of its local inference service. The call is that of AWS's Greengrass
        Machine Learning SDK, which AWS publishes outside of PyPI.
        https://docs.aws.amazon.com/greengrass/v1/developerguide/image-classification-connector.html#image-classification-connector-usage

        Raises:
            OSError: if the connector cannot be invoked, refuses the image, or answers otherwise.
        """
        try:
            reply = self._functions.invoke(
                FunctionName=service,
                InvocationType="RequestResponse",
                ClientContext=_encoded({"custom": {"Content-Type": content_type}}),
                Payload=data,
            )
        except Exception as error:  # the SDK raises bare exceptions of its own
            raise OSError(f"the Image Classification connector: {error}") from None
        payload, fault = reply["Payload"], reply["FunctionError"]
        if fault:
            raise OSError(f"the Image Classification connector failed, {fault}: {_text(payload)}")
        return _probabilities(payload.read())


def _probabilities(payload: bytes) -> list[float]:
    """Read the connector's reply: ``{"Body": "[0.3,0.1,…]", …}``, with a text as its body."""
    try:
        found = json.loads(json.loads(payload)["Body"])
    except (KeyError, TypeError, ValueError):
        found = None
    if not isinstance(found, list) or not found or not all(map(_is_number, found)):
        raise OSError(
            f"the Image Classification connector returned no probabilities: {_text(payload)}"
        )
    return [float(one) for one in found]


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _text(payload: bytes) -> str:
    return payload[:_MAX_SHOWN_BYTES].decode(errors="replace")


def _encoded(context: Mapping[str, Any]) -> bytes:
    return base64.b64encode(json.dumps(context, allow_nan=False).encode())
