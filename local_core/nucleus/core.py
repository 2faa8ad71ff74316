"""A core: it takes a deployment, prepares the components and runs them with their IPC."""

from __future__ import annotations

import fcntl
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..ipc.authorization import Authorizer
from ..ipc.component_services import ConfigurationService, StateService
from ..ipc.configuration import ConfigurationStore
from ..ipc.dialect import CLASSIC, LITE, Dialect
from ..ipc.messaging import CloudMessaging, LocalMessaging
from ..ipc.operations import all_operations
from ..ipc.router import CloudRouter, LocalTopics
from ..ipc.server import MAX_SOCKET_PATH_BYTES, IpcServer
from .artifacts import ArtifactFetcher, ArtifactStore
from .configuration import deployed
from .environment import base_environment
from .layout import CoreLayout
from .lifecycle import ComponentLifecycle, ComponentPlan, Script, StateChange
from .recipe import LifecycleStep, Recipe
from .variables import Variables

NUCLEUS_VERSION = "2.15.0"
"""The release of the classic nucleus whose rules this core follows."""
STOP_GRACE_SECONDS = 10.0
_ARCHITECTURES = {"x86_64": "amd64", "armv7l": "arm"}


class CoreBusyError(Exception):
    """Another core works in the same folder."""


@dataclass(frozen=True)
class ComponentDeployment:
    """One component of a deployment, with the update of its configuration."""

    recipe: Recipe
    reset: tuple[str, ...] = ()
    merge: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CoreIdentity:
    """Who a core is, where it keeps its things, and which nucleus it is like."""

    thing_name: str
    root: Path
    region: str = "us-east-1"
    dialect: Dialect = CLASSIC

    @property
    def platform(self) -> Mapping[str, str]:
        """The attributes that a recipe's manifests are chosen by.

        https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html#recipe-platform
        """
        machine = platform.machine()
        attributes = {"os": "linux", "architecture": _ARCHITECTURES.get(machine, machine)}
        if self.dialect is LITE:
            attributes["runtime"] = "aws_nucleus_lite"
        return attributes


class LocalCore:
    """A context in which deployed components run; leaving it stops all of them."""

    def __init__(
        self,
        identity: CoreIdentity,
        *,
        fetcher: ArtifactFetcher,
        cloud: CloudRouter,
        on_change: Callable[[StateChange], None],
        stop_grace: float = STOP_GRACE_SECONDS,
    ) -> None:
        self._identity = identity
        self._layout = CoreLayout(identity.root)
        self._artifacts = ArtifactStore(self._layout, fetcher)
        self._cloud = cloud
        self._on_change = on_change
        self._stop_grace = stop_grace
        self._configurations = ConfigurationStore()
        self._lifecycles: dict[str, ComponentLifecycle] = {}
        self._open = ExitStack()
        self._server: IpcServer | None = None

    def __enter__(self) -> LocalCore:
        with ExitStack() as opened:
            self._claim_root(opened)
            folder = socket_folder()
            opened.callback(shutil.rmtree, folder, ignore_errors=True)
            self._server = opened.enter_context(self._ipc_server(folder / "ipc.socket"))
            opened.callback(self._stop_components)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def deploy(self, components: Sequence[ComponentDeployment]) -> None:
        """Prepare ``components``, then start them all. A core takes one deployment in its life.

        Raises:
            RecipeError, ArtifactError: if one cannot be run here; then none was started.
        """
        lifecycles = {
            deployment.recipe.name: ComponentLifecycle(
                self._prepare(deployment), self._on_change, stop_grace=self._stop_grace
            )
            for deployment in components
        }
        for name, lifecycle in lifecycles.items():
            self._lifecycles[name] = lifecycle
            lifecycle.start()

    def log_of(self, component: str) -> Path:
        """Return the file that takes what ``component`` prints."""
        return self._layout.log(component)

    def _claim_root(self, opened: ExitStack) -> None:
        self._layout.root.mkdir(parents=True, exist_ok=True)
        lock = opened.enter_context((self._layout.root / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CoreBusyError(f"another core is running in {self._layout.root}") from None

    def _ipc_server(self, socket_path: Path) -> IpcServer:
        authorizer = Authorizer(self._configurations, self._identity.thing_name)
        operations = all_operations(
            CloudMessaging(self._cloud, authorizer),
            LocalMessaging(LocalTopics(), authorizer),
            ConfigurationService(self._configurations),
            StateService(self._report_state),
        )
        return IpcServer(socket_path, operations, dialect=self._identity.dialect)

    def _prepare(self, deployment: ComponentDeployment) -> ComponentPlan:
        recipe = deployment.recipe
        manifest = recipe.manifest_for(self._identity.platform)
        configuration = deployed(
            recipe.default_configuration, reset=deployment.reset, merge=deployment.merge
        )
        self._configurations.put(recipe.name, configuration)
        variables = Variables(
            layout=self._layout,
            thing_name=self._identity.thing_name,
            component=recipe.name,
            version=recipe.version,
            configuration=configuration,
        )
        environment = self._environment(recipe.name)
        plan = ComponentPlan(
            component=recipe.name,
            folder=self._layout.work(recipe.name),
            log=self._layout.log(recipe.name),
            install=_script("install", manifest.install, variables, environment),
            run=_script("run", manifest.run, variables, environment),
        )
        self._artifacts.prepare(recipe.name, recipe.version, manifest.artifacts)
        return plan

    def _environment(self, component: str) -> Mapping[str, str]:
        """Return what a component finds in its environment.

        https://docs.aws.amazon.com/greengrass/v2/developerguide/component-environment-variables.html
        """
        if self._server is None:
            raise RuntimeError("the core is not running: enter it first")
        return {
            **base_environment(),
            "SVCUID": self._server.register(component),
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(self._server.socket_path),
            "AWS_IOT_THING_NAME": self._identity.thing_name,
            "AWS_REGION": self._identity.region,
            "AWS_DEFAULT_REGION": self._identity.region,
            "GGC_VERSION": NUCLEUS_VERSION,
        }

    def _report_state(self, component: str, state: str) -> None:
        if state == "ERRORED" and component in self._lifecycles:
            self._lifecycles[component].report_error()

    def _stop_components(self) -> None:
        for lifecycle in self._lifecycles.values():
            lifecycle.request_stop()
        for lifecycle in self._lifecycles.values():
            lifecycle.join()


def socket_folder() -> Path:
    """Return a new private folder whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="core-"))
    if len(bytes(folder / "ipc.socket")) > MAX_SOCKET_PATH_BYTES:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="core-", dir="/tmp"))
    return folder


def _script(
    step: str,
    part: LifecycleStep | None,
    variables: Variables,
    environment: Mapping[str, str],
) -> Script | None:
    if part is None:
        return None
    own = {name: variables.substitute(value) for name, value in part.environment.items()}
    text = variables.substitute(part.script)
    return Script(step, text, {**environment, **own}, part.timeout)
