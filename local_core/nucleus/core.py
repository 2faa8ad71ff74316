"""A core: it takes a deployment, prepares the components and runs them with their IPC."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..folder_lock import exclusive
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
from .start_order import start_order
from .variables import Variables

NUCLEUS_VERSION = "2.15.0"
"""The release of the classic nucleus whose rules this core follows."""
STOP_GRACE_SECONDS = 10.0
_ARCHITECTURES = {"x86_64": "amd64", "armv7l": "arm"}


@dataclass(frozen=True)
class ComponentDeployment:
    """One component of a deployment, with the update of its configuration."""

    recipe: Recipe
    reset: tuple[str, ...] = ()
    merge: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Installed:
    """A component as the last deployment installed it."""

    recipe: Recipe
    configuration: Mapping[str, Any]


@dataclass(frozen=True)
class CoreIdentity:
    """A core's thing, its folder, and the nucleus that it behaves like."""

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
    """A context in which deployed components run; leaving it stops all of them.

    ``environment_of`` returns the variables of a component in addition to the nucleus's own.
    """

    def __init__(
        self,
        identity: CoreIdentity,
        *,
        fetcher: ArtifactFetcher,
        cloud: CloudRouter,
        on_change: Callable[[StateChange], None],
        environment_of: Callable[[Recipe], Mapping[str, str]] = lambda recipe: {},
        stop_grace: float = STOP_GRACE_SECONDS,
    ) -> None:
        self._identity = identity
        self._layout = CoreLayout(identity.root)
        self._artifacts = ArtifactStore(self._layout, fetcher)
        self._cloud = cloud
        self._on_change = on_change
        self._environment_of = environment_of
        self._stop_grace = stop_grace
        self._configurations = ConfigurationStore()
        self._components: dict[str, _Installed] = {}
        self._before: dict[str, _Installed] | None = None
        self._lifecycles: dict[str, ComponentLifecycle] = {}
        self._open = ExitStack()
        self._server: IpcServer | None = None

    def __enter__(self) -> LocalCore:
        with ExitStack() as opened:
            refusal = f"another core works in {self._layout.root}: stop it first"
            opened.enter_context(exclusive(self._layout.root / "lock", refusal))
            shutil.rmtree(self._layout.logs, ignore_errors=True)
            folder = socket_folder()
            opened.callback(shutil.rmtree, folder, ignore_errors=True)
            self._server = opened.enter_context(self._ipc_server(folder / "ipc.socket"))
            opened.callback(lambda: self._stop(list(self._lifecycles)))
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def deploy(self, components: Sequence[ComponentDeployment]) -> frozenset[str]:
        """Deploy ``components``, and return the names of those that were started.

        What changed, in its recipe or its configuration, is restarted, what is not among them any
        more is stopped, and the rest keeps running. Until :meth:`keep`, the state before can be
        restored by :meth:`roll_back`.

        Raises:
            RecipeError, ArtifactError: if one cannot be run here; then nothing has changed.
        """
        wanted = {one.recipe.name: self._installed(one) for one in components}
        before = self._snapshot() if self._before is None else self._before
        started = self._switch_to(wanted)
        self._before = before
        return started

    def keep(self) -> None:
        """Keep what runs now, and remove the artifacts of everything else."""
        self._before = None
        versions = {name: one.recipe.version for name, one in self._components.items()}
        self._artifacts.keep_only(versions)

    def roll_back(self) -> frozenset[str]:
        """Roll back to what was last kept, configuration included; return the names started."""
        before, self._before = self._before or {}, None
        return self._switch_to(before)

    def log_of(self, component: str) -> Path:
        """Return the file that takes what ``component`` prints."""
        return self._layout.log(component)

    def _ipc_server(self, socket_path: Path) -> IpcServer:
        authorizer = Authorizer(self._configurations, self._identity.thing_name)
        operations = all_operations(
            CloudMessaging(self._cloud, authorizer),
            LocalMessaging(LocalTopics(), authorizer),
            ConfigurationService(self._configurations),
            StateService(self._report_state),
        )
        return IpcServer(socket_path, operations, dialect=self._identity.dialect)

    def _installed(self, deployment: ComponentDeployment) -> _Installed:
        recipe = deployment.recipe
        present = recipe.name in self._components
        configuration = deployed(
            recipe.default_configuration,
            reset=deployment.reset,
            merge=deployment.merge,
            current=self._configurations.get(recipe.name) if present else None,
        )
        return _Installed(recipe, configuration)

    def _snapshot(self) -> dict[str, _Installed]:
        """Return what is installed, with the changes that components made themselves since then."""
        return {
            name: _Installed(one.recipe, self._configurations.get(name))
            for name, one in self._components.items()
        }

    def _switch_to(self, wanted: dict[str, _Installed]) -> frozenset[str]:
        order = start_order({name: one.recipe.dependencies for name, one in wanted.items()})
        changed = {
            name
            for name, one in wanted.items()
            if one != self._components.get(name) or self._lifecycles[name].broken
        }
        plans = {name: self._prepare(wanted[name]) for name in changed}
        self._stop([name for name in self._lifecycles if name not in wanted or name in changed])
        for name in set(self._components) - set(wanted):
            self._configurations.remove(name)
        self._components = wanted
        for name in order:
            if name in changed:
                self._start(wanted[name], plans[name])
        return frozenset(changed)

    def _prepare(self, installed: _Installed) -> ComponentPlan:
        """Fetch the component's artifacts, and fill in its scripts."""
        recipe = installed.recipe
        manifest = recipe.manifest_for(self._identity.platform)
        variables = Variables(
            layout=self._layout,
            thing_name=self._identity.thing_name,
            component=recipe.name,
            version=recipe.version,
            configuration=installed.configuration,
        )
        plan = ComponentPlan(
            component=recipe.name,
            folder=self._layout.work(recipe.name),
            log=self._layout.log(recipe.name),
            install=_script("install", manifest.install, variables),
            run=_script("run", manifest.run, variables),
        )
        self._artifacts.prepare(recipe.name, recipe.version, manifest.artifacts)
        return plan

    def _start(self, installed: _Installed, plan: ComponentPlan) -> None:
        recipe = installed.recipe
        self._configurations.put(recipe.name, installed.configuration)
        environment = {**self._environment_of(recipe), **self._environment(recipe.name)}
        lifecycle = ComponentLifecycle(
            plan.within(environment),
            self._on_change,
            stop_grace=self._stop_grace,
            after=[
                self._lifecycles[name] for name in recipe.dependencies if name in self._lifecycles
            ],
        )
        self._lifecycles[recipe.name] = lifecycle
        lifecycle.start()

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

    def _stop(self, names: Sequence[str]) -> None:
        lifecycles = [self._lifecycles.pop(name) for name in names]
        for lifecycle in lifecycles:
            lifecycle.request_stop()
        for lifecycle in lifecycles:
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
) -> Script | None:
    if part is None:
        return None
    environment = {name: variables.substitute(value) for name, value in part.environment.items()}
    return Script(step, variables.substitute(part.script), environment, part.timeout)
