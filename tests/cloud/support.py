"""What the tests of the local cloud share: stacks, devices, recipes."""

from __future__ import annotations

import json
import ssl
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import boto3
import paho.mqtt.client as mqtt
from botocore.exceptions import ClientError
from paho.mqtt.enums import CallbackAPIVersion

from local_core.cloud import LocalCloud

SHADOW = "AWSManagedGreengrassV2Deployment"
"""The named shadow by which a deployment to a thing reaches its core."""
SECONDS = 180.0
"""The most that an operation of a stack may take: a fleet's canary waits for its cores."""
Template = Mapping[str, Any]


class StackError(Exception):
    """A stack that did not become what it should; its text has CloudFormation's reasons."""


class HasClients(Protocol):
    """A cloud, for what only calls its APIs."""

    def client(self, service: str) -> Any:
        """Return a client of a service."""


def client_with(cloud: LocalCloud, service: str, given: Mapping[str, str]) -> Any:
    """Return a client with the credentials that a device was given."""
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=given["accessKeyId"],
        aws_secret_access_key=given["secretAccessKey"],
        aws_session_token=given["sessionToken"],
    )


class Stacks:
    """CloudFormation without waiting five seconds between looks."""

    def __init__(self, cloud: HasClients) -> None:
        self._client = cloud.client("cloudformation")

    def deploy(self, name: str, resources: Template, outputs: Template | None = None) -> None:
        """Create a stack, or update it."""
        template: dict[str, Any] = {"Resources": resources}
        template["Outputs"] = {key: {"Value": value} for key, value in (outputs or {}).items()}
        self.deploy_template(name, template)

    def deploy_template(self, name: str, template: Template, **options: str) -> None:
        body = json.dumps(template)
        change = self._client.create_stack if not self._status(name) else self._client.update_stack
        change(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"], **options)
        status = self._settled(name)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackError(f"{status}: {'; '.join(self.reasons(name))}")

    def delete(self, name: str) -> None:
        """Delete a stack, if it is there."""
        if self._status(name):
            self._client.delete_stack(StackName=name)
            status = self._settled(name)
            if status not in (None, "DELETE_COMPLETE"):
                raise StackError(f"{status}: {'; '.join(self.reasons(name))}")

    def outputs(self, name: str) -> dict[str, str]:
        found = self._client.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        return {item["OutputKey"]: item["OutputValue"] for item in found}

    def status(self, name: str) -> str | None:
        return self._status(name)

    def reasons(self, name: str) -> list[str]:
        events = self._client.describe_stack_events(StackName=name)["StackEvents"]
        return [
            e.get("ResourceStatusReason", "") for e in events if "FAILED" in e["ResourceStatus"]
        ]

    def resource(self, name: str, logical_id: str) -> str:
        reply = self._client.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
        return str(reply["StackResourceDetail"]["PhysicalResourceId"])

    def _status(self, name: str) -> str | None:
        try:
            found = self._client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        except ClientError:
            return None
        return None if found == "DELETE_COMPLETE" else str(found)

    def _settled(self, name: str) -> str | None:
        deadline = time.monotonic() + SECONDS
        while (status := self._status(name)) is not None and status.endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, f"{name} stays {status}"
            time.sleep(0.05)
        return status


@dataclass(frozen=True)
class Device:
    """A thing with a certificate, and the files of a core."""

    cloud: LocalCloud
    thing: str
    certificate_arn: str
    certificate: Path
    key: Path

    @classmethod
    def registered(cls, cloud: LocalCloud, *, active: bool = True) -> Device:
        iot = cloud.client("iot")
        thing = f"core-{uuid.uuid4().hex[:8]}"
        made = iot.create_keys_and_certificate(setAsActive=active)
        iot.create_thing(thingName=thing)
        iot.attach_thing_principal(thingName=thing, principal=made["certificateArn"])
        folder = Path(tempfile.mkdtemp(dir=cloud.data))
        (folder / "cert.pem").write_text(made["certificatePem"])
        (folder / "key.pem").write_text(made["keyPair"]["PrivateKey"])
        return cls(
            cloud=cloud,
            thing=thing,
            certificate_arn=made["certificateArn"],
            certificate=folder / "cert.pem",
            key=folder / "key.pem",
        )

    @property
    def certificate_id(self) -> str:
        return self.certificate_arn.rsplit("/", 1)[-1]

    @property
    def thing_arn(self) -> str:
        return f"arn:aws:iot:us-east-1:000000000000:thing/{self.thing}"

    def allow(self, action: str, *resources: str) -> None:
        """Attach a policy that allows an action on these resources of AWS IoT."""
        iot = self.cloud.client("iot")
        name = f"policy-{uuid.uuid4().hex[:8]}"
        arns = [f"arn:aws:iot:us-east-1:000000000000:{resource}" for resource in resources]
        statement = {"Effect": "Allow", "Action": action, "Resource": arns}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        iot.create_policy(policyName=name, policyDocument=json.dumps(document))
        iot.attach_policy(policyName=name, target=self.certificate_arn)

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.cloud.ca_path))
        context.load_cert_chain(self.certificate, self.key)
        return context

    def get_credentials(self, alias: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Ask the credential provider; return the HTTP status and what it said."""
        url = f"https://{self.cloud.credential_endpoint}/role-aliases/{alias}/credentials"
        request = urllib.request.Request(url, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, context=self.tls(), timeout=10) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


class MqttClient:
    """A paho client that keeps what happens, for tests to wait for."""

    def __init__(
        self, device: Device, *, client_id: str | None = None, reconnects: bool = False
    ) -> None:
        """One that ``reconnects`` may end a second later: paho sleeps between its attempts."""
        self.messages: list[tuple[str, bytes]] = []
        self.connected: list[str] = []
        self.failed: list[str] = []
        self.granted: list[str] = []
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or device.thing,
            reconnect_on_failure=reconnects,
        )
        self._client.tls_set_context(device.tls())
        self._client.on_connect = lambda c, u, f, code, p: self.connected.append(str(code))
        self._client.on_disconnect = lambda c, u, f, code, p: self.failed.append(str(code))
        self._client.on_connect_fail = lambda c, u: self.failed.append("refused")
        self._client.on_subscribe = lambda c, u, m, codes, p: self.granted.extend(map(str, codes))
        self._client.on_message = lambda c, u, m: self.messages.append((m.topic, m.payload))
        self._device = device

    def __enter__(self) -> MqttClient:
        cloud = self._device.cloud
        self._client.connect_async(cloud.mqtt_host, cloud.mqtt_port)
        self._client.loop_start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topic_filter: str) -> None:
        self._client.subscribe(topic_filter, 1)

    def publish(self, topic: str, payload: bytes) -> mqtt.MQTTMessageInfo:
        return self._client.publish(topic, payload, 1)


def is_published(message: mqtt.MQTTMessageInfo) -> bool:
    """Return whether the broker has taken a message; paho raises if that closed the connection."""
    try:
        return message.is_published()
    except RuntimeError:
        return False


def publish_health(cloud: LocalCloud, thing: str, content: Mapping[str, Any]) -> None:
    """Publish a health message as the core of a thing."""
    message = {"messageType": "COMPLETE", "overallDeviceStatus": "HEALTHY", **content}
    cloud.client("iot-data").publish(
        topic=f"$aws/things/{thing}/greengrassv2/health/json",
        qos=1,
        payload=json.dumps(message).encode(),
    )


def desired(cloud: LocalCloud, thing: str) -> Mapping[str, Any]:
    """Return what the shadow that carries deployments to a thing desires; empty if nothing."""
    try:
        reply = cloud.client("iot-data").get_thing_shadow(thingName=thing, shadowName=SHADOW)
    except ClientError:
        return {}
    state: Mapping[str, Any] = json.load(reply["payload"])["state"]
    return state.get("desired") or {}


def report_deployment(
    cloud: LocalCloud, thing: str, status: str, detail: str = "", cause: str = ""
) -> None:
    """Report on the deployment to a thing, as its core does in the shadow."""
    document = json.loads(desired(cloud, thing)["fleetConfig"])
    reported = {
        "fleetConfigurationArnForStatus": document["configurationArn"],
        "status": status,
        "statusDetails": {"detailedStatus": detail, "failureCause": cause},
    }
    cloud.client("iot-data").update_thing_shadow(
        thingName=thing,
        shadowName=SHADOW,
        payload=json.dumps({"state": {"reported": reported}}).encode(),
    )


def recipe(name: str, version: str, *uris: str, **changes: Any) -> dict[str, Any]:
    """Return a recipe with these artifacts; ``changes`` replace its members."""
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "ComponentPublisher": "tests",
        "ComponentConfiguration": {"DefaultConfiguration": {"threshold": 0.5}},
        "ComponentDependencies": {
            "aws.greengrass.TokenExchangeService": {"VersionRequirement": ">=2.0.0 <3.0.0"}
        },
        "Manifests": [
            {
                "Platform": {"os": "linux", "runtime": "*"},
                "Lifecycle": {"run": {"Script": "true"}},
                "Artifacts": [{"Uri": uri, "Unarchive": "ZIP"} for uri in uris],
            }
        ],
        **changes,
    }
