"""The parts of the local cloud, connected with each other."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from . import location
from .api.gateway import Gateway
from .api.local_only import LocalOnly
from .api.rest_api import Request, RestApi
from .api.router import Router
from .deployment.anomaly_alarm import alarm_type
from .deployment.ec2_instance import instance_type
from .deployment.refusals import refusing_types
from .emulator import Emulator
from .iam.api_calls import checks
from .iam.authorization import Authorization
from .iam.decisions import FILE, DecisionLog
from .iam.evaluation import PolicyEvaluation
from .iam.role_sessions import RoleSessions
from .iam.rule_roles import RuleRoles
from .iam.stack_roles import StackRoles
from .iot.broker import Broker
from .iot.core_endpoint import CoreEndpoint
from .iot.credential_provider import CredentialProvider
from .iot.device_endpoint import DeviceEndpoint
from .iot.mutual_tls import MutualTls
from .iot.registry import IotAdditions
from .iot.resource_types import resource_types
from .iot.rule_sql import RuleSql
from .provisioning.mqtt_api import FleetProvisioning
from .v1.api import GreengrassV1
from .v1.training_jobs import TrainingJobs
from .v2.api import GreengrassV2
from .v2.core_devices import HEALTH_TOPIC
from .v2.data_plane import DataPlane

_LINK_SECONDS = 900
_CHUNK = 1 << 20


class _Part(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Parts:
    """Every listener by its name, and what it needs; ``ports`` has one port for each."""

    def __init__(self, *, data: Path, ports: Mapping[str, int]) -> None:
        self._endpoint = f"http://{location.HOST}:{ports['http']}"
        credentials = f"{location.HOST}:{ports['credentials']}"
        self._client = functools.cache(self._new_client)
        self._emulator = Emulator()
        self.addresses: dict[str, str | int] = {
            "endpoint": self._endpoint,
            "mqtt_port": ports["mqtt"],
            "credential_endpoint": credentials,
        }
        log = DecisionLog(data / FILE)
        sessions = RoleSessions(log)
        evaluation = PolicyEvaluation(log, sessions.keys_of)
        self._iam = Authorization(evaluation, sessions)
        stack_roles = StackRoles(self._iam)
        self._emulator.guard_stacks(stack_roles.guard, stack_roles.check_parameter)
        self._emulator.guard_logs(self._may_write_logs)
        RuleRoles(self._iam)
        FleetProvisioning(self._may_provision)
        RuleSql()
        (data / "ca.pem").write_text(self._emulator.ca_certificate())
        v1 = GreengrassV1()
        self._v2 = GreengrassV2(
            digest=self._digest,
            presign=self._presign,
            target_exists=self._emulator.target_exists,
            channel=self._emulator,
        )
        iot = IotAdditions(
            {
                "iot:Data-ATS": f"{location.HOST}:{ports['mqtt']}",
                "iot:CredentialProvider": credentials,
            },
            self._emulator.thing_groups,
        )
        self._emulator.add_resource_types(
            {
                **resource_types(iot.api),
                **instance_type(client=self._client, terminate=self._emulator.terminate_instance),
                **alarm_type(self._emulator.resource_type("AWS::CloudWatch::Alarm")),
                **refusing_types(client=self._client, types=self._emulator.resource_type),
            }
        )
        for types in (v1.resource_types(), self._v2.resource_types()):
            self._emulator.add_resource_types(types)
        apis: dict[str, list[RestApi]] = {
            "greengrass": [self._v2.api, v1.api],
            "iot": [iot.api],
            "sagemaker": [TrainingJobs()],
        }
        for api in itertools.chain.from_iterable(apis.values()):
            api.authorize = self._authorize
        router = Router(
            emulator=self._emulator,
            evaluation=evaluation,
            iam=self._iam,
            stack_roles=stack_roles,
            apis=apis,
            core_endpoint=CoreEndpoint(v1, sessions.assume_role),
        )
        tls = MutualTls(self._emulator)
        self._listeners: dict[str, _Part] = {
            "http": Gateway(application=LocalOnly(router), port=ports["http"]),
            "mqtt": Broker(emulator=self._emulator, tls=tls, port=ports["mqtt"]),
            "credentials": DeviceEndpoint(
                tls=tls,
                services=[
                    CredentialProvider(emulator=self._emulator, sessions=sessions, iot=iot),
                    DataPlane(
                        self._v2.api,
                        iam=self._iam,
                        groups_of=self._emulator.thing_groups_of,
                        is_active=self._emulator.is_active,
                        is_attached=self._emulator.is_attached,
                    ),
                ],
                port=ports["credentials"],
            ),
            "s3": _S3Switch(router),
        }

    def _take_health(self, topic: str, payload: bytes) -> None:
        """Take a core's health message; one of a thing that is gone may have been under way."""
        if self._emulator.target_exists(location.arn("iot", f"thing/{topic.split('/')[2]}")):
            self._v2.devices.receive(topic, payload)

    async def start_all(self) -> None:
        """Start everything."""
        await self._emulator.start()
        await self._emulator.subscribe(HEALTH_TOPIC, self._take_health)
        for part in self._listeners.values():
            await part.start()

    async def stop_all(self) -> None:
        """Stop everything that listens."""
        for part in self._listeners.values():
            await part.stop()

    async def control(self, verb: str, name: str) -> None:
        """Stop or start one part, which keeps its data."""
        part = self._listeners[name]
        await {"start": part.start, "stop": part.stop}[verb]()

    def _new_client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name=location.REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def _authorize(self, service: str, operation: str, uri: str, request: Request) -> None:
        for check in checks(service, operation, uri, request):
            self._iam.authorize(check.action, check.resource, check.context)

    def _may_write_logs(self, role_arn: str, function: str, group: str) -> bool:
        """Return whether a function's role lets Lambda write its logs, as Lambda tries to."""
        resource = location.arn("logs", f"log-group:{group}:log-stream:new")
        session = self._iam.session_of(role_arn, "lambda.amazonaws.com", function)
        with self._iam.acting_as(session):
            return session is not None and all(
                self._iam.allows(f"logs:{action}", resource)
                for action in ("CreateLogStream", "PutLogEvents")
            )

    def _may_provision(self, role_arn: str, requests: Sequence[tuple[str, str]]) -> bool:
        """Return whether AWS IoT may do all this with the role of a provisioning template."""
        session = self._iam.session_of(role_arn, "iot.amazonaws.com", "IoTProvisioning")
        with self._iam.acting_as(session):
            return session is not None and all(
                self._iam.allows(action, resource) for action, resource in requests
            )

    def _digest(self, uri: str) -> bytes | None:
        """Return the digest of an object that the caller may read; None if there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not self._iam.allows("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"):
            return None
        try:
            body = self._client("s3").get_object(Bucket=bucket, Key=key)["Body"]
            digest = hashlib.sha256()
            for chunk in body.iter_chunks(_CHUNK):
                digest.update(chunk)
        except (BotoCoreError, ClientError):
            return None
        return digest.digest()

    def _presign(self, uri: str) -> str:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        link: str = self._client("s3").generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=_LINK_SECONDS
        )
        return link


class _S3Switch:
    """S3 as a separate part: while it is stopped, it answers 503 and the other services run."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def start(self) -> None:
        self._router.serves_s3 = True

    async def stop(self) -> None:
        self._router.serves_s3 = False
