"""How a device with a claim certificate becomes a core: AWS IoT's fleet provisioning by MQTT.

https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html
"""

from __future__ import annotations

import json
import queue
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import LocalCoreError
from .mqtt import MqttConnection, tls_context
from .setup import Address, Certificate

CSR_TOPIC = "$aws/certificates/create-from-csr/json"
PROVISION_TOPIC = "$aws/provisioning-templates/{template}/provision/json"

_CONNECT_SECONDS = 15.0
_REPLY_SECONDS = 30.0


class ProvisioningError(LocalCoreError):
    """AWS IoT refuses to make this device a core, or does not answer."""


@dataclass(frozen=True)
class ClaimHolder:
    """What a device knows before it has an identity: a claim, and the template to ask for."""

    broker: Address
    claim: Certificate
    template: str
    parameters: Mapping[str, str]

    def provision(self, signing_request: str) -> tuple[str, str]:
        """Return the name of the new thing, and its certificate for the request's key, PEM.

        Raises:
            ProvisioningError: if the cloud refuses, or does not answer in time.
        """
        # Replies come on the connection of their request only.
        connection = MqttConnection(self.broker, str(uuid.uuid4()), tls_context(self.claim))
        with connection:
            if not connection.wait_until_connected(_CONNECT_SECONDS):
                raise ProvisioningError(
                    f"the broker {self.broker.host}:{self.broker.port} does not take the claim "
                    f"({connection.fault}): it may be inactive, or of another cloud"
                )
            created = ask(connection, CSR_TOPIC, {"certificateSigningRequest": signing_request})
            answer = ask(
                connection,
                PROVISION_TOPIC.format(template=self.template),
                {
                    "certificateOwnershipToken": created["certificateOwnershipToken"],
                    "parameters": dict(self.parameters),
                },
            )
        return str(answer["thingName"]), str(created["certificatePem"])


def ask(connection: MqttConnection, topic: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Publish a request, and return the document that is accepted.

    Raises:
        ProvisioningError: with the code of a refusal.
    """
    replies: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    ends = []
    try:
        for verdict in ("accepted", "rejected"):
            ends.append(
                connection.subscribe_to_cloud(
                    f"{topic}/{verdict}", 1, lambda name, payload: replies.put((name, payload))
                )
            )
        connection.publish_to_cloud("", topic, 1, json.dumps(request).encode())
        name, payload = replies.get(timeout=_REPLY_SECONDS)
    except ConnectionError as error:
        raise ProvisioningError(f"{topic}: {error}; the claim may not use this topic") from None
    except queue.Empty:
        raise ProvisioningError(f"no answer on {topic} in {_REPLY_SECONDS:g} s") from None
    finally:
        for end in ends:
            end()
    document: dict[str, Any] = json.loads(payload)
    if name.endswith("/rejected"):
        raise ProvisioningError(
            f"{topic} is refused: {document.get('errorCode')}, {document.get('errorMessage')}"
        )
    return document
