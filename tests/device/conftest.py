"""A cloud whose parts these tests stop and start, and a core's certificate in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local_core.cloud import LocalCloud
from local_core.device.mqtt import MqttConnection, tls_context
from local_core.device.setup import Address, Certificate, create_certificate

THING = "Demo_Core"


@dataclass
class Device:
    """A thing with its certificate, which may publish and subscribe below ``demo/`` only."""

    cloud: LocalCloud
    certificate: Certificate

    @property
    def broker(self) -> Address:
        return Address(self.cloud.mqtt_host, self.cloud.mqtt_port)

    def connection(self) -> MqttConnection:
        made = self.certificate
        tls = tls_context(made)
        return MqttConnection(self.broker, THING, tls)


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as running:
        yield running


@pytest.fixture(scope="session")
def device(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Device:
    iot = cloud.client("iot")
    made = create_certificate(iot, tmp_path_factory.mktemp("device"), cloud.ca_path)
    iot.create_thing(thingName=THING)
    iot.attach_thing_principal(thingName=THING, principal=made.arn)
    arn = "arn:aws:iot:us-east-1:000000000000"
    allowed = {
        "iot:Connect": f"{arn}:client/{THING}",
        "iot:Publish": f"{arn}:topic/demo/*",
        "iot:Receive": f"{arn}:topic/demo/*",
        "iot:Subscribe": f"{arn}:topicfilter/demo/*",
        "iot:AssumeRoleWithCertificate": f"{arn}:rolealias/DemoAlias",
    }
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for action, resource in allowed.items()
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iot.create_policy(policyName="Demo", policyDocument=document)
    iot.attach_policy(policyName="Demo", target=made.arn)
    return Device(cloud, made)
