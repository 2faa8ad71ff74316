"""The module that uses ministack's internals, of exactly version 1.5.33 (MIT licence).

ministack serves S3, IAM, Lambda, CloudFormation, IoT and the rest. This module uses its list of
CloudFormation resource types, its IoT registry and its MQTT session directly, not by HTTP. Of the
other modules, only iam/evaluation.py, iam/role_sessions.py, iam/rule_roles.py and
provisioning/mqtt_api.py do so; those of deployment/ change modules that this one gives them.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import hashlib
import json
import os
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from . import location
from .deployment.conditions import join_in_conditions
from .deployment.guarded_steps import Guard, guard_steps
from .deployment.parameters import add_image_parameters, check_parameters
from .deployment.resource_type_changes import refuse_other_types
from .deployment.stack_deletion import (
    keep_what_failed_resources_need,
    refuse_updates_of_failed_deletions,
)
from .iot.registry import ThingGroup

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handlers = Mapping[str, Callable[..., Any]]
"""How one resource type is created, updated and deleted, as ministack calls it."""

_REQUEST_SECONDS = 30.0


def configure(*, port: int, data: Path) -> None:
    """Set the environment that ministack reads when it is imported: call this first.

    It also keeps botocore from loading awscrt, of which this process needs nothing.
    """
    sys.modules["awscrt"] = None  # type: ignore[assignment]
    scratch = data / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        GATEWAY_PORT=str(port),
        MINISTACK_HOST="localhost",
        MINISTACK_ACCOUNT_ID=location.ACCOUNT,
        MINISTACK_REGION=location.REGION,
        AWS_ENDPOINT_URL=f"http://{location.HOST}:{port}",
        AUTH="true",
        IOT_MTLS_ENABLED="0",  # it would bind all interfaces: broker.py listens in its place
        SFTP_ENABLED="0",
        DOCKER_HOST=f"unix://{scratch}/no-docker.sock",
        S3_DATA_DIR=str(data / "s3"),
        STATE_DIR=str(data / "state"),
        TMPDIR=str(scratch),
    )


class Emulator:
    """ministack, running in this process. Create it once, after ``configure``."""

    def __init__(self) -> None:
        from ministack import app
        from ministack.core import responses, x509_utils
        from ministack.services import iot, lambda_svc, ssm
        from ministack.services.cloudformation import (
            changesets,
            engine,
            handlers,
            provisioners,
            stacks,
        )

        self.application = app.app
        self._scope = responses.request_scope
        self._functions = lambda_svc
        self._iot = iot
        self._provisioners = provisioners
        self._stacks = stacks
        self._ssm = ssm
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        keep_what_failed_resources_need(stacks)
        join_in_conditions(engine, changesets, handlers, stacks)
        refuse_other_types(handlers)
        refuse_updates_of_failed_deletions(handlers)
        add_image_parameters(ssm)
        # To load an authority's key for each certificate takes longer than to make the latter's.
        x509_utils._require_crypto()
        x509_utils.serialization = _Remembering(x509_utils.serialization, "load_pem_private_key")

    async def start(self) -> None:
        """Start ministack's worker threads and schedulers. They end with the process."""
        self._loop = asyncio.get_running_loop()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        run = self.application(scope, self._events.get, self._said.put)
        self._lifespan = asyncio.create_task(run)
        await self._events.put({"type": "lifespan.startup"})
        await self._said.get()

    def resource_type(self, name: str) -> Handlers:
        """Return the present handlers of a resource type of CloudFormation."""
        found: Handlers = self._provisioners._RESOURCE_HANDLERS[name]
        return found

    def add_resource_types(self, types: Mapping[str, Handlers]) -> None:
        """Add resource types to CloudFormation.

        Their handlers run on worker threads, because a handler may call the cloud's own
        endpoint, which the main thread serves.
        """
        self._provisioners._RESOURCE_HANDLERS.update(types)
        inner = self._stacks._runs_on_worker_thread
        self._stacks._runs_on_worker_thread = lambda name: name in types or inner(name)

    def guard_stacks(self, guard: Guard, check_parameter: Callable[[str], None]) -> None:
        """Carry out each step of a stack within the context of ``guard``, which may refuse it.

        ``check_parameter`` gets the name of each SSM parameter before its value is a template's,
        and raises ValueError to refuse it.
        """
        guard_steps(self._stacks, guard)
        check_parameters(self._ssm, check_parameter)

    def guard_logs(self, may_write: Callable[[str, str, str], bool]) -> None:
        """Write a function's logs only if ``may_write`` says so of role, function and log group."""
        functions = self._functions
        write = functions._emit_lambda_logs

        def guarded(function: Mapping[str, Any], *arguments: Any, **further: Any) -> None:
            configuration = function.get("config") or function
            name = str(configuration.get("FunctionName"))
            chosen = (configuration.get("LoggingConfig") or {}).get("LogGroup")
            if may_write(str(configuration.get("Role")), name, chosen or f"/aws/lambda/{name}"):
                write(function, *arguments, **further)

        functions._emit_lambda_logs = guarded

    def ca_certificate(self) -> str:
        """Return the certificate of the authority that signs devices and the endpoints, PEM."""
        return str(self._iot.get_ca_cert_pem())

    def server_certificate(self) -> tuple[str, str]:
        """Return certificate and key, both PEM, for an endpoint on loopback."""
        certificate, key = self._iot._mtls_ensure_server_cert()
        return str(certificate), str(key)

    def trust_anchors(self) -> list[tuple[str, str]]:
        """Return id and PEM of every certificate that a client's may be signed by, or be."""
        return list(self._iot._mtls_trust_anchors())

    async def serve_mqtt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve MQTT to a client whose certificate TLS has verified, until it disconnects.

        A client whose certificate is not active is disconnected without an answer.
        """
        await self._iot._mtls_handle_conn(reader, writer)

    def abort_mqtt_sessions(self) -> None:
        """Cut every MQTT connection."""
        for writer in list(self._iot._mtls_sessions):
            writer.transport.abort()

    def is_active(self, certificate: str) -> bool:
        """Return whether a certificate, given by its id, is registered and active."""
        return len(self._iot._mtls_active_registrations(certificate)) == 1

    def certificate_allows(self, certificate: str, action: str, resource: str) -> bool:
        """Return whether a certificate's policies allow ``action`` on ``resource``."""
        allows = self._iot._mqtt_policy_allows
        return bool(allows(location.ACCOUNT, location.REGION, certificate, {}, action, resource))

    def is_attached(self, thing_name: str, certificate: str) -> bool:
        """Return whether a thing has this certificate."""
        with self._scope(location.ACCOUNT, location.REGION):
            thing = self._iot._things.get(thing_name) or {}
        return any(arn.endswith(f"/{certificate}") for arn in thing.get("principals", []))

    def target_exists(self, arn: str) -> bool:
        """Return whether there is such a thing or thing group."""
        kind, _, name = arn.split(":", 5)[5].partition("/")
        with self._scope(location.ACCOUNT, location.REGION):
            return name in (self._iot._things if kind == "thing" else self._iot._thing_groups)

    def thing_groups(self) -> list[ThingGroup]:
        """Return all thing groups."""
        with self._scope(location.ACCOUNT, location.REGION):
            groups = list(self._iot._thing_groups.values())
        return [
            ThingGroup(
                name=group["thingGroupName"],
                arn=group["thingGroupArn"],
                parent=(group.get("thingGroupMetadata") or {}).get("parentGroupName"),
            )
            for group in groups
        ]

    def thing_groups_of(self, thing_name: str) -> list[str]:
        """Return the ARNs of the thing groups that a thing is in directly, not through a parent."""
        with self._scope(location.ACCOUNT, location.REGION):
            groups = list(self._iot._thing_groups.values())
        return [group["thingGroupArn"] for group in groups if thing_name in group.get("things", [])]

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Carry out a request to the API of AWS IoT, such as on a job.

        A rollback may run on the main thread, where it is carried out a moment later.

        Raises:
            RuntimeError: if the service refuses, unless on the main thread.
        """
        path, _, query = path.partition("?")
        content = json.dumps(body or {}).encode()

        async def carry_out() -> None:
            reply = await self._iot.handle_request(method, path, {}, content, parse_qs(query))
            if reply[0] >= 400:
                raise RuntimeError(f"{method} {path}: {reply[2]!r}")

        self._run(carry_out)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message as AWS itself does, reserved topics included."""
        self._run(
            lambda: self._iot.broker_publish(
                location.ACCOUNT, location.REGION, topic, payload, qos=1
            )
        )

    async def subscribe(self, topic_filter: str, deliver: Callable[[str, bytes], None]) -> None:
        """Call ``deliver`` on the main thread for each message that matches."""

        async def take(topic: str, payload: bytes, qos: int) -> None:
            deliver(topic, payload)

        await self._iot.broker_subscribe(location.ACCOUNT, location.REGION, topic_filter, take)

    def job_execution(self, thing_name: str, job_id: str) -> Mapping[str, Any] | None:
        """Return what a thing has made of a job; its times are in milliseconds."""
        with self._scope(location.ACCOUNT, location.REGION):
            found = self._iot._job_executions.get((thing_name, job_id))
            return dict(found) if found is not None else None

    def shadow(self, thing_name: str, shadow_name: str) -> Mapping[str, Any]:
        """Return a thing's named shadow; empty if there is none."""
        with self._scope(location.ACCOUNT, location.REGION):
            status, document = self._iot.get_thing_shadow(thing_name, shadow_name)
            return copy.deepcopy(document) if status == 200 else {}

    def _run(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine on the main thread; wait for it unless this is that thread."""
        assert self._loop is not None, "start it first"

        async def scoped() -> None:
            with self._scope(location.ACCOUNT, location.REGION):
                await make()

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run_coroutine_threadsafe(scoped(), self._loop).result(_REQUEST_SECONDS)
        else:
            task = asyncio.create_task(scoped())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def terminate_instance(self, identity: str) -> None:
        """Terminate an EC2 instance without HTTP, because a rollback may run on the main thread."""
        from ministack.services import ec2

        with self._scope(location.ACCOUNT, location.REGION):
            ec2._terminate_instances({"InstanceId.1": [identity]})


def verified_certificate(tls: ssl.SSLObject) -> str:
    """Return the id that AWS IoT gives the peer's certificate: the SHA-256 digest of its DER."""
    der = tls.getpeercert(binary_form=True)
    return hashlib.sha256(der or b"").hexdigest()


class _Remembering:
    """A module of which one function is not called twice for the same arguments."""

    def __init__(self, module: Any, function: str) -> None:
        self._module = module
        setattr(self, function, functools.lru_cache(maxsize=4)(getattr(module, function)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)
