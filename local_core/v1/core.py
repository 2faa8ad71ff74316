"""A V1 core: it takes a group, prepares it and runs its functions and its connectors."""

from __future__ import annotations

import os
import random as random_module
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from inference.model.profiles.profile import ModelProfile, builtin_profiles, load_profile
from inference.v1.environment import INFERENCE_CONNECTOR, MODEL_PROFILE

from ..nucleus.artifacts import ArtifactError, unzip
from ..nucleus.environment import base_environment
from ..nucleus.socket_folder import socket_folder
from .arns import ROUTER, connector_function, connector_name, connector_region
from .function import RUNTIME_FOLDER, FunctionProcess, Pacing
from .group import Connector, GroupDocuments, GroupError, GroupFunction
from .image_classification import (
    ImageClassificationConnector,
    is_image_classification,
    service_function,
)
from .invocations import Invocation
from .ipc_server import V1IpcServer
from .logs import CoreLog, system_log, user_log
from .ml_feedback import MlFeedbackConnector, PutObject
from .resources import FetchModel, materialise
from .router import CloudPublish, RouterService
from .runtime.greengrass_ipc_python_sdk.wire import SOCKET_VARIABLE

CORE_VERSION = "1.11.6"
"""The last release of the V1 core, whose rules this one follows."""

FetchCode = Callable[[str], bytes]
"""Returns the zip file of a function's code, by the function's qualified ARN."""


@dataclass(frozen=True)
class V1Identity:
    """A core's thing, its group and its folder."""

    thing_name: str
    group_id: str
    root: Path
    region: str = "us-east-1"

    @property
    def resource_prefix(self) -> Path:
        """The folder that resources' destination paths are below."""
        return self.root / "ggc" / "deployment" / "mlmodel"

    def code(self, function: GroupFunction) -> Path:
        """Return the folder of a function's code."""
        return self.root / "ggc" / "deployment" / "lambda" / function.arn.replace(":", "_")


@dataclass(frozen=True)
class V1Services:
    """What a core needs from outside."""

    fetch_code: FetchCode
    fetch_model: FetchModel
    put_object: PutObject
    publish: CloudPublish


class V1Core:
    """A context in which a group's functions run; leaving it stops all of them.

    Functions that are not pinned run from the start too. ``python`` is the interpreter of the
    functions, which must have their packages; ``random`` decides RANDOM_SAMPLING.
    """

    def __init__(
        self,
        identity: V1Identity,
        group: GroupDocuments,
        services: V1Services,
        *,
        python: Path | None = None,
        random: Callable[[], float] | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        self._identity = identity
        self._group = group
        self._services = services
        self._python = python
        self._random = random or random_module.Random().random
        self._pacing = pacing or Pacing()
        self._log = CoreLog(system_log(identity.root, "runtime"))
        self._router = RouterService(
            group.subscriptions,
            to_cloud=services.publish,
            log=CoreLog(system_log(identity.root, "router")),
        )
        self._functions: list[FunctionProcess] = []
        self._feedback: MlFeedbackConnector | None = None
        self._open = ExitStack()

    @property
    def router(self) -> RouterService:
        """The core's router: hand it what comes from the cloud, and read its counters."""
        return self._router

    @property
    def feedback(self) -> MlFeedbackConnector | None:
        """The MLFeedback connector, if the group has one."""
        return self._feedback

    def __enter__(self) -> V1Core:
        """Prepare the whole group, then start it.

        Raises:
            GroupError, ConfigurationError: if the group is not one that can run.
            ResourceError, ArtifactError, OSError: if a part of it cannot be had; nothing runs then.
        """
        with ExitStack() as opened:
            folder = opened.enter_context(socket_folder())
            server = opened.enter_context(V1IpcServer(folder / "v1.socket", self._router))
            for resource in self._group.resources:
                materialise(resource, self._services.fetch_model, self._identity.resource_prefix)
            self._functions = [
                self._function(function, server) for function in self._group.functions
            ]
            for connector in sorted(self._group.connectors, key=_serves_others, reverse=True):
                self._add_connector(connector, opened)
            opened.callback(self._stop_functions)
            for process in self._functions:
                process.start()
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def from_cloud(self, topic: str, payload: bytes) -> None:
        """Deliver a message of AWS IoT Core, wanted by ``router.cloud_filters``."""
        self._router.from_cloud(topic, payload)

    def log_of(self, arn: str) -> Path:
        """Return the file that takes what a function or a connector says."""
        connectors = [one for one in self._group.connectors if one.arn == arn]
        return user_log(
            self._identity.root, _connector_function(connectors[0]) if connectors else arn
        )

    def _add_connector(self, connector: Connector, opened: ExitStack) -> None:
        try:
            name = connector_name(connector.arn)
        except ValueError as error:
            raise GroupError(str(error)) from None
        if is_image_classification(name):
            self._add_image_classification(connector, opened)
        elif name == "MLFeedback":
            self._add_feedback(connector, opened)
        else:
            known = "MLFeedback and ImageClassification"
            raise GroupError(f"this core has no connector {name}, only {known}")

    def _add_feedback(self, connector: Connector, opened: ExitStack) -> None:
        self._feedback = opened.enter_context(
            MlFeedbackConnector(
                connector.parameters,
                put_object=self._services.put_object,
                publish=lambda topic, payload: self._router.publish(connector.arn, topic, payload),
                random=self._random,
                log=CoreLog(self.log_of(connector.arn)),
            )
        )
        self._router.attach(_connector_function(connector), self._feedback)

    def _add_image_classification(self, connector: Connector, opened: ExitStack) -> None:
        """Start the connector with the model of its resource and the profile of its function."""
        arn, parameters = _connector_function(connector), connector.parameters
        resources = {one.id: one for one in self._group.resources}
        resource = resources.get(parameters.get("MLModelResourceId", ""))
        if resource is None:
            raise GroupError(f"{connector.id}: the group has no resource for its model")
        if parameters.get("MLFeedbackConnectorConfigId") and self._feedback is None:
            raise GroupError(f"{connector.id}: the group has no MLFeedback connector")
        users = [
            one for one in self._group.functions if one.variables.get(INFERENCE_CONNECTOR) == arn
        ]
        if not users:
            raise GroupError(f"{connector.id}: no function uses it, whose profile it could take")
        feedback = self._feedback

        def offer(work: Invocation) -> None:
            if feedback is not None:
                feedback.accept(work)

        classifier = ImageClassificationConnector(
            parameters,
            model=self._identity.resource_prefix / resource.destination_path.lstrip("/"),
            profile=self._profile(users[0]),
            offer=offer,
            log=CoreLog(self.log_of(connector.arn)),
        )
        self._router.attach(arn, opened.enter_context(classifier))

    def _profile(self, function: GroupFunction) -> ModelProfile:
        name = function.variables.get(MODEL_PROFILE, "")
        if name in builtin_profiles():
            return load_profile(name)
        return load_profile(self._identity.code(function) / name)

    def _function(self, function: GroupFunction, server: V1IpcServer) -> FunctionProcess:
        process = FunctionProcess(
            function,
            code=self._unpack_code(function),
            environment=lambda: self._environment(function, server, process),
            output=self.log_of(function.arn),
            log=self._log,
            pacing=self._pacing,
            python=self._python,
        )
        self._router.attach(function.arn, process.inbox)
        return process

    def _unpack_code(self, function: GroupFunction) -> Path:
        code = self._identity.code(function)
        code.parent.mkdir(parents=True, exist_ok=True)
        archive = code.with_name(f"{code.name}.zip")
        archive.write_bytes(self._services.fetch_code(function.arn))
        unzip(archive, code)
        module = function.handler.rpartition(".")[0].replace(".", "/")
        if not any((code / name).exists() for name in (f"{module}.py", f"{module}/__init__.py")):
            raise ArtifactError(f"{function.arn}: its code has no module for {function.handler}")
        return code

    def _environment(
        self, function: GroupFunction, server: V1IpcServer, process: FunctionProcess
    ) -> Mapping[str, str]:
        """Return a function's environment; the function cannot override the core's own variables.

        https://docs.aws.amazon.com/greengrass/v1/developerguide/access-ml-resources.html
        """
        identity, own_path = self._identity, function.variables.get("PYTHONPATH")
        return {
            **base_environment(),
            "AWS_REGION": identity.region,
            "AWS_DEFAULT_REGION": identity.region,
            **function.variables,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": server.register(function.arn, process.inbox),
            "AWS_GG_RESOURCE_PREFIX": str(identity.resource_prefix),
            "AWS_IOT_THING_NAME": identity.thing_name,
            "ENCODING_TYPE": function.encoding,
            "GGC_VERSION": CORE_VERSION,
            "GROUP_ID": identity.group_id,
            "MY_FUNCTION_ARN": function.arn,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(RUNTIME_FOLDER), own_path))),
            "PYTHONUNBUFFERED": "1",
            "ROUTER_FUNCTION_ARN": ROUTER,
            SOCKET_VARIABLE: str(server.socket_path),
        }

    def _stop_functions(self) -> None:
        for process in self._functions:
            process.request_stop()
        for process in self._functions:
            process.join()
            process.inbox.close()


def _serves_others(connector: Connector) -> bool:
    return ":/connectors/MLFeedback/" in connector.arn


def _connector_function(connector: Connector) -> str:
    """Return the ARN by which functions invoke a connector."""
    if is_image_classification(connector_name(connector.arn)):
        return service_function(connector_region(connector.arn), connector.parameters)
    return connector_function(connector.arn)
