"""A V2 core device: it carries out what the cloud deploys to its thing and its thing groups."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ...environments import of_component
from ...ipc.dialect import CLASSIC, Dialect
from ...nucleus.artifacts import ArtifactError
from ...nucleus.core import CoreIdentity, LocalCore
from ...nucleus.lifecycle import State, StateChange
from ...nucleus.recipe import Recipe, RecipeError
from ..agent import POLL_SECONDS, DeviceAgent
from ..credentials import CoreCredentials
from ..downloads import ComponentArtifacts
from ..orders import CloudUnreachableError
from ..setup import CoreConfiguration
from ..token_exchange import COMPONENT as TOKEN_EXCHANGE
from ..token_exchange import TokenExchange
from .deployment import V2Deployment, read_deployment
from .report import core_report, deployment_report

SETTLE_SECONDS = 5.0
"""How long all components must run for a deployment to succeed.

The nucleus reports success as soon as ``run`` has begun; a component that fails right after that is
not rolled back. Here a component must also survive its start.
"""
_log = logging.getLogger(__name__)


class V2Device(DeviceAgent):
    """A context in which a core works: connected, with the latest deployments' components.

    It has a deployment to its thing and one to each of its thing groups, which it carries out one
    after the other, by the rules of
    https://docs.aws.amazon.com/greengrass/v2/developerguide/manage-deployments.html:

    - It runs the components of all of them. If two require versions of a component that exclude
      each other, the later deployment fails.
    - A component's configuration comes from the last deployment that names it.
    - The components of a thing group stay when the core leaves it, until the next deployment (here
      also the next start), which removes what no target of the core requires any more.

    ``endpoint`` is the API of the cloud; ``environment`` has more variables for components, such as
    a seed. ``on_change`` and ``on_verdict`` are called with what happens.
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
        super().__init__(configuration, generation=2, endpoint=endpoint, on_verdict=on_verdict)
        self._on_change = on_change
        self._environment = environment or {}
        self._settle = settle
        self._artifacts = ComponentArtifacts()
        self._credentials = CoreCredentials(
            configuration.credential_provider,
            configuration.role_alias,
            configuration.thing_name,
            self._tls,
        )
        self._token_exchange = TokenExchange(self._credentials)
        self._identity = CoreIdentity(
            configuration.thing_name, configuration.root, configuration.region, dialect
        )
        self._core = LocalCore(
            self._identity,
            fetcher=self._artifacts,
            cloud=self.broker,
            on_change=self._follow,
            environment_of=self._environment_of,
        )
        self._states: dict[str, StateChange] = {}
        self._deployed: V2Deployment | None = None
        self._asked: dict[str, Mapping[str, str]] = {}
        """The versions, by component, that each target requires, by the targets' ARNs."""
        self._begun: dict[str, str] = {}
        """The id of the deployment to each target that this core began last."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the components that have been started here."""
        return tuple(self._states)

    @property
    def deployed(self) -> tuple[str, ...]:
        """The names of the components of the last completed deployment."""
        components = () if self._deployed is None else self._deployed.components
        return tuple(one.recipe.name for one in components)

    def log_of(self, component: str) -> Path:
        """Return the file that takes what ``component`` prints."""
        return self._core.log_of(component)

    def _open_core(self, opened: ExitStack) -> None:
        opened.enter_context(self._token_exchange)
        opened.enter_context(self._core)

    def _environment_of(self, recipe: Recipe) -> Mapping[str, str]:
        found = {**of_component(self._endpoint), **self._environment}
        if TOKEN_EXCHANGE in recipe.dependencies:
            found.update(self._token_exchange.environment(recipe.name))
        return found

    def _follow(self, change: StateChange) -> None:
        self._states[change.component] = change
        self._on_change(change)

    def _obey(self, orders: Any) -> None:
        targets = {str(one["targetArn"]) for one in orders}
        # A core that returns to a thing group gets its deployment again.
        self._begun = {t: begun for t, begun in self._begun.items() if t in targets}
        for order in filter(self._is_new, orders):
            self._begin(order, targets)
            break  # there may be newer orders by now

    def _is_new(self, order: Mapping[str, Any]) -> bool:
        return self._begun.get(order["targetArn"], "") != str(order["deploymentId"])

    def _begin(self, order: Mapping[str, Any], targets: Collection[str]) -> None:
        """Carry out a deployment; if the cloud becomes unreachable, it counts as not begun."""
        self._begun[order["targetArn"]] = order["deploymentId"]
        try:
            self._carry_out(order, targets)
        except OSError:
            del self._begun[order["targetArn"]]
            raise

    def _carry_out(self, order: Mapping[str, Any], targets: Collection[str]) -> None:
        """Switch to a deployment; ``targets`` are the ARNs of the core's targets."""
        deployment = self._read(order, targets)
        if deployment is None:
            return
        self._report(order, deployment, "IN_PROGRESS", "")
        began = time.monotonic()
        try:
            started = self._core.deploy(deployment.components)
        except (RecipeError, ArtifactError, OSError) as error:
            self._conclude(order, deployment, "FAILED", f"FAILED_NO_STATE_CHANGE: {error}")
            return
        reason = self._fault(order, started, began)
        if reason and deployment.rolls_back:
            self._conclude(order, deployment, "FAILED", self._roll_back(order, reason))
        elif reason is not None:
            self._core.keep()
            self._deployed = deployment
            self._asked = {t: asked for t, asked in self._asked.items() if t in targets}
            self._asked[deployment.target_arn] = deployment.asked
            status = "FAILED" if reason else "SUCCEEDED"
            detail = f"FAILED_ROLLBACK_NOT_REQUESTED: {reason}" if reason else "SUCCESSFUL"
            self._conclude(order, deployment, status, detail)

    def _read(self, order: Mapping[str, Any], targets: Collection[str]) -> V2Deployment | None:
        """Read a deployment; if it cannot be read, conclude it and return None."""
        from botocore.exceptions import BotoCoreError, ClientError

        client, identity, ours = self._client(), order["deploymentId"], order["targetArn"]
        others = {t: asked for t, asked in self._asked.items() if t in targets and t != ours}
        try:
            deployment = read_deployment(client, identity, self._identity.platform, others)
        except BotoCoreError as error:
            raise CloudUnreachableError(f"the deployment cannot be read: {error}") from error
        except (ClientError, RecipeError, ValueError) as error:
            _log.error("deployment %s cannot be read: %s", identity, error)
            reason = f"FAILED_NO_STATE_CHANGE: the deployment cannot be read: {error}"
            self._conclude(order, self._deployed, "FAILED", reason)
            return None
        self._artifacts.use(client, deployment.artifact_owners)
        return deployment

    def _roll_back(self, order: Mapping[str, Any], reason: str) -> str:
        """Roll back to what ran before; return what to report."""
        began = time.monotonic()
        if self._fault(order, self._core.roll_back(), began):
            return f"FAILED_UNABLE_TO_ROLLBACK: {reason}"
        return f"FAILED_ROLLBACK_COMPLETE: {reason}"

    def _fault(self, order: Mapping[str, Any], started: frozenset[str], began: float) -> str | None:
        """Return why a component broke, "" once all have settled, None if it is superseded."""
        while not self._stopping.wait(POLL_SECONDS):
            changes = [self._states.get(name) for name in started]
            current = [change for change in changes if change is not None and change.at >= began]
            for change in current:
                if change.state == State.BROKEN:
                    return f"{change.component} is broken: {change.reason}"
            if len(current) == len(started) and all(self._settled(change) for change in current):
                return ""
            if any(map(self._is_new, self._of_same_target(order))):
                return None
        return None

    def _of_same_target(self, order: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        orders = self._cloud.orders()
        return [one for one in orders if one["targetArn"] == order["targetArn"]]

    def _settled(self, change: StateChange) -> bool:
        runs = change.state == State.RUNNING and time.monotonic() - change.at >= self._settle
        return runs or change.state == State.FINISHED

    def _conclude(
        self, order: Mapping[str, Any], shown: V2Deployment | None, status: str, reason: str
    ) -> None:
        self._report(order, shown, status, reason)
        self._on_verdict(status, reason)

    def _report(
        self, order: Mapping[str, Any], shown: V2Deployment | None, status: str, reason: str
    ) -> None:
        """Report a deployment, and the state of the core.

        Its components are those of the last completed deployment, or of ``shown`` before the first.
        """
        states = {name: change.state for name, change in self._states.items()}
        core = core_report(self._identity, self._deployed or shown, states)
        self._cloud.report({**core, "deployment": deployment_report(order, status, reason)})

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
