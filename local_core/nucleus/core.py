"""A core: it takes a deployment, prepares the components and runs them with their IPC."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..ipc.authorization import Authorizer
from ..ipc.component_services import ConfigurationService, StateService
from ..ipc.configuration import ConfigurationStore
from ..ipc.messaging import CloudMessaging, LocalMessaging
from ..ipc.operations import all_operations
from ..ipc.router import CloudRouter, LocalTopics
from ..ipc.server import IpcServer
from ..processes.folder_lock import exclusive
from .artifacts import ArtifactFetcher, ArtifactStore
from .configuration import deployed
from .deployment import Change, ComponentDeployment, Installed, change
from .environment import base_environment
from .identity import CoreIdentity
from .layout import CoreLayout
from .lifecycle import ComponentLifecycle, ComponentPlan, Script, StateChange
from .recipe import LifecycleStep, Recipe
from .socket_folder import socket_folder
from .start_order import start_order
from .variables import Variables

STOP_GRACE_SECONDS = 5.0
"""From SIGTERM to SIGKILL, as the classic nucleus has it (``Exec.gracefulShutdownTimeout``)."""


class LocalCore:
    """A context in which deployed components run; leaving it stops all of them.

    ``environment_of`` returns the variables of a component in addition to the nucleus's own, and in
    place of those that it inherits.
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
        self._components: dict[str, Installed] = {}
        self._before: dict[str, Installed] | None = None
        self._plans: dict[str, ComponentPlan] = {}
        self._lifecycles: dict[str, ComponentLifecycle] = {}
        self._open = ExitStack()
        self._server: IpcServer | None = None

    def __enter__(self) -> LocalCore:
        with ExitStack() as opened:
            refusal = f"another core works in {self._layout.root}: stop it first"
            opened.enter_context(exclusive(self._layout.root / "lock", refusal))
            shutil.rmtree(self._layout.logs, ignore_errors=True)
            folder = opened.enter_context(socket_folder())
            self._server = opened.enter_context(self._ipc_server(folder / "ipc.socket"))
            opened.callback(lambda: self._stop(list(self._lifecycles)))
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def deploy(
        self, components: Sequence[ComponentDeployment], *, is_launch: bool = False
    ) -> frozenset[str]:
        """Deploy ``components``, and return the names of those that were started.

        The nucleus decides which ones restart. Components that are no longer deployed are stopped;
        the others keep running and are notified of a changed configuration. Until :meth:`keep`,
        :meth:`roll_back` restores the previous state. ``is_launch`` is for what a core starts with.

        Raises:
            RecipeError, ArtifactError: if one cannot be run here; then nothing has changed.
        """
        wanted = {one.recipe.name: self._installed(one) for one in components}
        before = self._snapshot() if self._before is None else self._before
        started = self._switch_to(wanted, is_launch=is_launch)
        self._before = before
        return started

    def configurations(self) -> dict[str, Any]:
        """Return the configuration of each component as it is now, by name."""
        return {name: self._configurations.get(name) for name in self._components}

    def restart_ipc(self) -> None:
        """Restart the IPC server, as a nucleus does whose IPC daemon is restarted.

        Clients connect again; those of nucleus lite are refused until their component restarts.
        """
        self._running_server().restart()

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
        identity = self._identity
        thing_name = None if identity.nucleus.is_lite else identity.thing_name
        authorizer = Authorizer(self._configurations, thing_name)
        operations = all_operations(
            CloudMessaging(self._cloud, authorizer, identity.nucleus.ipc.in_flight),
            LocalMessaging(LocalTopics(), authorizer),
            ConfigurationService(self._configurations),
            StateService(self._report_state),
        )
        return IpcServer(socket_path, operations, dialect=identity.nucleus.ipc)

    def _installed(self, deployment: ComponentDeployment) -> Installed:
        recipe = deployment.recipe
        present = recipe.name in self._components
        configuration = deployed(
            recipe.default_configuration,
            reset=deployment.reset,
            merge=deployment.merge,
            current=self._configurations.get(recipe.name) if present else None,
        )
        return Installed(recipe, configuration, deployment.run_with, "" in deployment.reset)

    def _snapshot(self) -> dict[str, Installed]:
        """Return what is installed, with the changes that components made themselves since then."""
        return {
            name: Installed(one.recipe, self._configurations.get(name), one.run_with)
            for name, one in self._components.items()
        }

    def _switch_to(
        self, wanted: dict[str, Installed], *, is_launch: bool = False
    ) -> frozenset[str]:
        order = start_order({name: one.recipe.dependencies for name, one in wanted.items()})
        plans = {name: self._plan(one) for name, one in wanted.items()}
        changes = {name: self._change(one, plans[name]) for name, one in wanted.items()}
        for name, made in changes.items():
            if made is not Change.NOTIFY:
                self._fetch(wanted[name].recipe)
        started = {name for name, made in changes.items() if made is not Change.NOTIFY}
        self._stop([name for name in self._lifecycles if name not in wanted or name in started])
        for name in set(self._components) - set(wanted):
            self._configurations.remove(name)
        self._components, self._plans = wanted, plans
        for name in order:
            if name in started:
                with_install = changes[name] is Change.INSTALL
                self._start(wanted[name], plans[name], with_install, is_launch=is_launch)
            else:
                self._notify(wanted[name])
        return frozenset(started)

    def _change(self, wanted: Installed, plan: ComponentPlan) -> Change:
        name = wanted.recipe.name
        lifecycle = self._lifecycles.get(name)
        if lifecycle is None or lifecycle.has_ended:
            return Change.INSTALL
        there = (self._components[name], self._plans[name])
        return change(there, (wanted, plan), self._identity.nucleus.restart)

    def _notify(self, installed: Installed) -> None:
        """Change the configuration of a component that keeps running."""
        name = installed.recipe.name
        if installed.is_reset and self._identity.nucleus.reset_ends_subscriptions:
            self._configurations.end_watches(name)
        self._configurations.replace(name, installed.configuration)

    def _plan(self, installed: Installed) -> ComponentPlan:
        """Fill in the component's scripts."""
        recipe = installed.recipe
        manifest = recipe.manifest_for(self._identity.platform)
        variables = Variables(
            layout=self._layout,
            thing_name=self._identity.thing_name,
            component=recipe.name,
            version=recipe.version,
            configuration=installed.configuration,
        )
        return ComponentPlan(
            component=recipe.name,
            folder=self._layout.work(recipe.name),
            log=self._layout.log(recipe.name),
            install=_script("install", manifest.install, variables),
            run=_script("run", manifest.run, variables),
        )

    def _fetch(self, recipe: Recipe) -> None:
        manifest = recipe.manifest_for(self._identity.platform)
        self._artifacts.prepare(recipe.name, recipe.version, manifest.artifacts)

    def _start(
        self, installed: Installed, plan: ComponentPlan, with_install: bool, *, is_launch: bool
    ) -> None:
        recipe = installed.recipe
        self._configurations.put(recipe.name, installed.configuration)
        environment = {
            **base_environment(),
            **self._environment_of(recipe),
            **self._environment(recipe.name),
        }
        if not with_install:
            plan = replace(plan, install=None)
        lifecycle = ComponentLifecycle(
            plan.within(environment),
            self._on_change,
            stop_grace=self._stop_grace,
            after=[
                self._lifecycles[name] for name in recipe.dependencies if name in self._lifecycles
            ],
            runs_while_installing=is_launch and self._identity.nucleus.runs_while_installing,
        )
        self._lifecycles[recipe.name] = lifecycle
        lifecycle.start()

    def _environment(self, component: str) -> Mapping[str, str]:
        """Return what the nucleus tells a component in its environment.

        https://docs.aws.amazon.com/greengrass/v2/developerguide/component-environment-variables.html
        """
        server = self._running_server()
        return {
            "SVCUID": server.register(component),
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(server.socket_path),
            "AWS_IOT_THING_NAME": self._identity.thing_name,
            "AWS_REGION": self._identity.region,
            "AWS_DEFAULT_REGION": self._identity.region,
            "GGC_VERSION": self._identity.nucleus.version,
        }

    def _running_server(self) -> IpcServer:
        if self._server is None:
            raise RuntimeError("the core is not running: enter it first")
        return self._server

    def _report_state(self, component: str, state: str) -> None:
        if state == "ERRORED" and component in self._lifecycles:
            self._lifecycles[component].report_error()

    def _stop(self, names: Sequence[str]) -> None:
        lifecycles = [self._lifecycles.pop(name) for name in names]
        for lifecycle in lifecycles:
            lifecycle.request_stop()
        for lifecycle in lifecycles:
            lifecycle.join()


def _script(
    step: str,
    part: LifecycleStep | None,
    variables: Variables,
) -> Script | None:
    if part is None:
        return None
    environment = {name: variables.substitute(value) for name, value in part.environment.items()}
    return Script(step, variables.substitute(part.script), environment, part.timeout)
