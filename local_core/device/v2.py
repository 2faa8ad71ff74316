"""A V2 core device: it carries out what the cloud deploys to its thing, as long as it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..ipc.dialect import CLASSIC, Dialect
from ..nucleus.artifacts import ArtifactError
from ..nucleus.core import NUCLEUS_VERSION, CoreIdentity, LocalCore
from ..nucleus.lifecycle import State, StateChange
from ..nucleus.recipe import Recipe, RecipeError
from .credentials import CredentialProvider
from .downloads import ComponentArtifacts
from .link import CoreLink, LinkError
from .mqtt import MqttConnection, tls_context
from .setup import CoreConfiguration
from .surroundings import component_surroundings
from .token_exchange import COMPONENT as TOKEN_EXCHANGE
from .token_exchange import TokenExchange
from .v2_deployment import V2Deployment, read_deployment

SETTLE_SECONDS = 5.0
"""So long all components must run for a deployment to have succeeded.

The nucleus says so as soon as ``run`` has begun; a component that fails right after is then not
rolled back. Ours must also survive its own start.
"""
_POLL_SECONDS = 0.3
_STATES = {
    State.NEW: "NEW",
    State.RUNNING: "RUNNING",
    State.ERRORED: "ERRORED",
    State.BROKEN: "BROKEN",
    State.FINISHED: "FINISHED",
    State.STOPPED: "INSTALLED",
}
_log = logging.getLogger(__name__)


class V2Device:
    """A context in which a core works: connected, with the latest deployment's components.

    ``endpoint`` is the API of the cloud; ``environment`` is what components find besides, such as
    a seed. ``on_change`` and ``on_verdict`` are told what happens.
    """

    def __init__(
        self,
        configuration: CoreConfiguration,
        *,
        endpoint: str,
        on_change: Callable[[StateChange], None] = lambda change: None,
        on_verdict: Callable[[str, str], None] = lambda status, reason: None,
        environment: Mapping[str, str] | None = None,
        dialect: Dialect = CLASSIC,
        settle: float = SETTLE_SECONDS,
    ) -> None:
        if configuration.credential_provider is None:
            raise ValueError("a V2 core needs the endpoint of the credential provider")
        tls = tls_context(
            configuration.certificate, configuration.private_key, configuration.root_ca
        )
        self._configuration = configuration
        self._endpoint = endpoint
        self._on_change = on_change
        self._on_verdict = on_verdict
        self._environment = environment or {}
        self._settle = settle
        self._link = CoreLink(endpoint, configuration.thing_name)
        self._artifacts = ComponentArtifacts()
        self._credentials = CredentialProvider(
            configuration.credential_provider,
            configuration.role_alias,
            configuration.thing_name,
            tls,
        )
        self._token_exchange = TokenExchange(self._credentials)
        self.broker = MqttConnection(configuration.broker, configuration.thing_name, tls)
        self._identity = CoreIdentity(
            configuration.thing_name, configuration.root, configuration.region, dialect
        )
        self._core = LocalCore(
            self._identity,
            fetcher=self._artifacts,
            cloud=self.broker,
            on_change=self._follow,
            surroundings=self._surroundings,
        )
        self._states: dict[str, StateChange] = {}
        self._deployed: V2Deployment | None = None
        self._orders: str | None = None
        self._stopping = threading.Event()
        self._agent = threading.Thread(target=self._watch, name="v2-agent", daemon=True)
        self._open = ExitStack()

    def __enter__(self) -> V2Device:
        with ExitStack() as opened:
            opened.enter_context(self.broker)
            opened.enter_context(self._token_exchange)
            opened.enter_context(self._core)
            self._agent.start()
            opened.callback(self._stop_agent)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    @property
    def components(self) -> tuple[str, ...]:
        """The names of the components that have begun to live here."""
        return tuple(self._states)

    def log_of(self, component: str) -> Path:
        """Return the file that takes what ``component`` prints."""
        return self._core.log_of(component)

    def _stop_agent(self) -> None:
        self._stopping.set()
        self._agent.join()

    def _surroundings(self, recipe: Recipe) -> Mapping[str, str]:
        found = {**component_surroundings(self._endpoint), **self._environment}
        if TOKEN_EXCHANGE in recipe.dependencies:
            found.update(self._token_exchange.environment(recipe.name))
        return found

    def _follow(self, change: StateChange) -> None:
        self._states[change.component] = change
        self._on_change(change)

    def _watch(self) -> None:
        """Carry out each new deployment; with the cloud out of reach, try again."""
        while not self._stopping.is_set():
            try:
                if self._has_new_orders() and self._orders is not None:
                    self._carry_out(self._orders)
            except OSError as error:
                _log.warning("%s", error)
                self._orders = None
            self._stopping.wait(_POLL_SECONDS)

    def _has_new_orders(self) -> bool:
        """Ask what is to run; note it, and return whether that is news."""
        orders = self._link.orders("v2")
        identity = orders["deploymentId"] if orders else None
        if identity == self._orders:
            return False
        self._orders = identity
        return True

    def _carry_out(self, identity: str) -> None:
        deployment = self._read(identity)
        if deployment is None:
            return
        self._tell(deployment, "IN_PROGRESS", "")
        began = time.monotonic()
        try:
            started = self._core.deploy(deployment.components)
        except (RecipeError, ArtifactError, OSError) as error:
            self._conclude(deployment, "FAILED", f"FAILED_NO_STATE_CHANGE: {error}")
            return
        reason = self._fault(started, began)
        if reason and deployment.rolls_back:
            self._conclude(deployment, "FAILED", self._roll_back(reason))
        elif reason is not None:
            self._core.keep()
            self._deployed = deployment
            status = "FAILED" if reason else "SUCCEEDED"
            told = f"FAILED_ROLLBACK_NOT_REQUESTED: {reason}" if reason else "SUCCESSFUL"
            self._conclude(deployment, status, told)

    def _read(self, identity: str) -> V2Deployment | None:
        """Read a deployment; None, and a verdict, if it is not one that can be."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = self._client()
        try:
            deployment = read_deployment(client, identity, self._identity.platform)
        except BotoCoreError as error:
            raise LinkError(f"the deployment cannot be read: {error}") from error
        except (ClientError, RecipeError, ValueError) as error:
            _log.error("deployment %s cannot be read: %s", identity, error)
            self._on_verdict("FAILED", f"the deployment cannot be read: {error}")
            return None
        self._artifacts.use(client, deployment.artifact_owners)
        return deployment

    def _roll_back(self, reason: str) -> str:
        """Go back to what ran before; return what to tell of it."""
        began = time.monotonic()
        if self._fault(self._core.roll_back(), began):
            return f"FAILED_UNABLE_TO_ROLLBACK: {reason}"
        return f"FAILED_ROLLBACK_COMPLETE: {reason}"

    def _fault(self, started: frozenset[str], began: float) -> str | None:
        """Return why a component broke, nothing once all have settled, None if that is moot."""
        while not self._stopping.wait(_POLL_SECONDS):
            changes = [self._states.get(name) for name in started]
            current = [change for change in changes if change is not None and change.at >= began]
            for change in current:
                if change.state == State.BROKEN:
                    return f"{change.component} is broken: {change.reason}"
            if len(current) == len(started) and all(self._settled(change) for change in current):
                return ""
            if self._has_new_orders():
                self._orders = None  # so that the next round carries them out
                return None
        return None

    def _settled(self, change: StateChange) -> bool:
        runs = change.state == State.RUNNING and time.monotonic() - change.at >= self._settle
        return runs or change.state == State.FINISHED

    def _conclude(self, deployment: V2Deployment, status: str, reason: str) -> None:
        self._tell(deployment, status, reason)
        self._on_verdict(status, reason)

    def _tell(self, deployment: V2Deployment, status: str, reason: str) -> None:
        """Report the deployment, and the state of what there is."""
        now = {name: change.state for name, change in self._states.items()}
        shown = self._deployed or deployment
        unhealthy = State.BROKEN in [now.get(name) for name in shown.versions]
        self._link.report(
            {
                "status": "UNHEALTHY" if unhealthy else "HEALTHY",
                "coreVersion": NUCLEUS_VERSION,
                "platform": "linux",
                "architecture": self._identity.platform["architecture"],
                "runtime": self._identity.platform.get("runtime", "aws_nucleus_classic"),
                "components": [
                    *(
                        _component(n, v, _STATES[now.get(n, State.NEW)])
                        for n, v in shown.versions.items()
                    ),
                    *(_component(n, v, "RUNNING", root=False) for n, v in shown.built_in.items()),
                ],
                "deployment": {
                    "deploymentId": deployment.id,
                    "deploymentName": deployment.name,
                    "targetArn": deployment.target_arn,
                    "coreDeviceExecutionStatus": status,
                    "reason": reason[:1_000],
                },
            }
        )

    def _client(self) -> Any:
        """Return a client of the API with the core's own credentials."""
        import boto3

        credentials = self._credentials.get()
        return boto3.client(
            "greengrassv2",
            endpoint_url=self._endpoint,
            region_name=self._configuration.region,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
        )


def _component(name: str, version: str, state: str, *, root: bool = True) -> dict[str, Any]:
    return {
        "componentName": name,
        "componentVersion": version,
        "lifecycleState": state,
        "isRoot": root,
    }
