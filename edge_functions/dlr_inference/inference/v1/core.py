"""A first-generation core as a function sees it, through the Greengrass SDK."""

from __future__ import annotations

import base64
import json
from typing import Any, Mapping, Sequence

QUEUE_FULL_POLICY = "AllOrException"
"""A message that does not fit into the core's queue is an error to count, not a silent loss."""


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


def _encoded(context: Mapping[str, Any]) -> bytes:
    return base64.b64encode(json.dumps(context, allow_nan=False).encode())
