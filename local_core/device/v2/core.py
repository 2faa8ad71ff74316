"""A V2 core device: it carries out what the cloud deploys to its thing and its thing groups."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ...nucleus.artifacts import ArtifactError
from ...nucleus.core import LocalCore
from ...nucleus.dialect import CLASSIC, Nucleus
from ...nucleus.identity import CoreIdentity
from ...nucleus.lifecycle import State, StateChange
from ...nucleus.recipe import Recipe, RecipeError
from ...processes.environments import of_component
from ..agent import POLL_SECONDS, CloudUnreachableError, DeviceAgent
from ..credentials import CoreCredentials
from ..downloads import ComponentArtifacts
from ..setup import CoreConfiguration
from ..token_exchange import COMPONENT as TOKEN_EXCHANGE
from ..token_exchange import TokenExchange
from .deployment import V2Deployment, read_deployment
from .deployment_sources import (
    DeploymentSource,
    JobSource,
    Order,
    ReportedStatus,
    ShadowSource,
    document_size,
)
from .kept import Kept, load
from .report import HealthReports
from .thing_groups import targets_of

SETTLE_SECONDS = 5.0
"""How long all components must run for a deployment to succeed.

The nucleus reports success as soon as ``run`` has begun; a component that fails right after that is
not rolled back. Here a component must also survive its start.
"""
_SUCCESSFUL = ReportedStatus("SUCCEEDED", "SUCCESSFUL")
_log = logging.getLogger(__name__)


class V2Device(DeviceAgent):
    """A context in which a core works: connected, with the latest deployments' components.

    It has a deployment to its thing and one to each of its thing groups, which it carries out one
    after the other, by the rules of
    https://docs.aws.amazon.com/greengrass/v2/developerguide/manage-deployments.html:

    - It runs the components of all of them. If two require versions of a component that exclude
      each other, the later deployment fails.
    - A component's configuration comes from the last deployment that names it.
    - The components of a thing group stay when the core leaves it, until the next deployment, which
      removes what no target of the core requires any more.

    Deployments to a thing group arrive as IoT jobs, one to its thing by a named shadow, which
    nucleus lite does not read. What runs is started again with the core, from its folder.

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
        nucleus: Nucleus = CLASSIC,
        settle: float = SETTLE_SECONDS,
    ) -> None:
        if configuration.credential_provider is None:
            raise ValueError("a V2 core needs the endpoint of the credential provider")
        super().__init__(configuration, endpoint=endpoint, on_verdict=on_verdict)
        self._on_change = on_change
        self._environment = environment or {}
        self._settle = settle
        self._data_plane = configuration.credential_provider
        self._credentials = CoreCredentials(
            configuration.credential_provider,
            configuration.role_alias,
            configuration.thing_name,
            self._tls,
        )
        self._token_exchange = TokenExchange(self._credentials)
        self._identity = CoreIdentity(
            configuration.thing_name, configuration.root, configuration.region, nucleus
        )
        thing = configuration.thing_name
        self._sources: list[DeploymentSource] = [JobSource(self.broker, thing, nucleus)]
        if nucleus.reads_shadows:
            self._sources.append(ShadowSource(self.broker, thing, nucleus.version))
        self._session = 0
        """The connection in which all sources were asked last."""
        self._core = LocalCore(
            self._identity,
            fetcher=ComponentArtifacts(self._s3, asks_for_region=not nucleus.is_lite),
            cloud=self.broker,
            on_change=self._follow,
            environment_of=self._environment_of,
        )
        self._states: dict[str, StateChange] = {}
        self._deployed: V2Deployment | None = None
        self._asked: dict[str, Mapping[str, str]] = {}
        """The versions, by component, that each target requires."""
        self._is_relaunched = False
        self._health = HealthReports(self.broker, self._identity)

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
        if change.state is State.BROKEN:
            self._health.is_due.set()
        self._on_change(change)

    def _work(self) -> None:
        self._listen()
        if not self._is_relaunched:
            self._relaunch()
        waiting = self._waiting()
        if waiting:
            self._begin(min(waiting, key=lambda order: order.created))
        elif self._health.is_due.is_set():
            self._publish_health()

    def _waiting(self) -> list[Order]:
        return [order for order in (source.next() for source in self._sources) if order]

    def _listen(self) -> None:
        """Subscribe, and ask for what was missed, in each new connection."""
        session = self.broker.sessions
        if session == self._session or not self.broker.wait_until_connected(0):
            return
        for source in self._sources:
            source.subscribe()
        for source in self._sources:
            source.ask()
        self._session = session

    def _relaunch(self) -> None:
        """Start what was deployed when this core was stopped; the cloud may be unreachable."""
        self._is_relaunched = True
        try:
            kept = load(self._configuration.root, self._certificate())
            if kept is None:
                return
            deployment = kept.deployment()
            began = time.monotonic()
            started = self._core.deploy(deployment.components, is_launch=True)
        except (RecipeError, ArtifactError, ValueError, OSError) as error:
            _log.error("what was deployed cannot be started again: %s", error)
            return
        self._core.keep()
        self._deployed, self._asked = deployment, dict(kept.asked)
        reason = self._fault(started, began, lambda: bool(self._waiting()))
        if reason is not None:
            self._on_verdict(
                *(("FAILED", reason) if reason else (_SUCCESSFUL.status, _SUCCESSFUL.reason))
            )
            self._publish_health()

    def _begin(self, order: Order) -> None:
        """Carry out a deployment; if the cloud becomes unreachable, it counts as not begun."""
        order.source.begin(order)
        try:
            self._carry_out(order)
        except OSError:
            order.source.give_back()
            raise

    def _carry_out(self, order: Order) -> None:
        """Switch to a deployment."""
        limit = self._identity.nucleus.most_job_bytes
        if limit is not None and document_size(order.document) > limit:
            cause = f"Insufficient memory: a job document has at most {limit} bytes"
            self._conclude(order, self._deployed, _unchanged(cause))
            return
        targets = targets_of(self._data_plane, self._identity.thing_name, self._tls)
        deployment = self._read(order, targets)
        if deployment is None:
            return
        self._report(order, deployment, ReportedStatus("IN_PROGRESS"))
        began = time.monotonic()
        try:
            started = self._core.deploy(deployment.components)
        except (RecipeError, ArtifactError, OSError) as error:
            self._conclude(order, deployment, _unchanged(str(error)))
            return
        reason = self._fault(started, began, lambda: order.source.has_dropped(order))
        if reason and deployment.rolls_back and self._identity.nucleus.rolls_back:
            self._conclude(order, deployment, self._roll_back(reason))
        elif reason is not None:
            self._keep(deployment, targets)
            failed = ReportedStatus("FAILED", "FAILED_ROLLBACK_NOT_REQUESTED", reason)
            self._conclude(order, deployment, failed if reason else _SUCCESSFUL)

    def _keep(self, deployment: V2Deployment, targets: Collection[str]) -> None:
        self._core.keep()
        self._deployed = deployment
        self._asked = {t: asked for t, asked in self._asked.items() if t in targets}
        self._asked[deployment.target] = deployment.asked
        configurations = self._core.configurations()
        kept = Kept.of(deployment, self._asked, configurations, self._certificate())
        kept.save(self._configuration.root)

    def _certificate(self) -> str:
        return self._configuration.certificate.read_text()

    def _read(self, order: Order, targets: Collection[str]) -> V2Deployment | None:
        """Read a deployment; if it cannot be read, conclude it and return None."""
        from botocore.exceptions import BotoCoreError, ClientError

        others = {
            t: asked for t, asked in self._asked.items() if t in targets and t != order.target
        }
        try:
            deployment = read_deployment(self._client(), order, self._identity.platform, others)
        except BotoCoreError as error:
            raise CloudUnreachableError(f"the deployment cannot be read: {error}") from error
        except (ClientError, RecipeError, ValueError) as error:
            _log.error("deployment %s cannot be read: %s", order.arn, error)
            cause = f"the deployment cannot be read: {error}"
            self._conclude(order, self._deployed, _unchanged(cause))
            return None
        return deployment

    def _roll_back(self, reason: str) -> ReportedStatus:
        """Roll back to what ran before; return what to report."""
        began = time.monotonic()
        if self._fault(self._core.roll_back(), began, lambda: False):
            return ReportedStatus("FAILED", "FAILED_UNABLE_TO_ROLLBACK", reason)
        return ReportedStatus("FAILED", "FAILED_ROLLBACK_COMPLETE", reason)

    def _fault(
        self, started: frozenset[str], began: float, is_superseded: Callable[[], bool]
    ) -> str | None:
        """Return why a component broke, "" once all have settled, None if it is superseded."""
        while not self._stopping.wait(POLL_SECONDS):
            self._listen()
            changes = [self._states.get(name) for name in started]
            current = [change for change in changes if change is not None and change.at >= began]
            for change in current:
                if change.state == State.BROKEN:
                    return f"{change.component} is broken: {change.reason}"
            if len(current) == len(started) and all(self._settled(change) for change in current):
                return ""
            if is_superseded():
                return None
        return None

    def _settled(self, change: StateChange) -> bool:
        runs = change.state == State.RUNNING and time.monotonic() - change.at >= self._settle
        return runs or change.state == State.FINISHED

    def _conclude(self, order: Order, shown: V2Deployment | None, verdict: ReportedStatus) -> None:
        self._report(order, shown, verdict)
        self._on_verdict(verdict.status, verdict.reason)

    def _report(self, order: Order, shown: V2Deployment | None, verdict: ReportedStatus) -> None:
        """Report on a deployment, and the state of the core."""
        self._publish_health(order, shown, verdict)
        order.source.report(order, verdict)

    def _publish_health(
        self,
        order: Order | None = None,
        shown: V2Deployment | None = None,
        verdict: ReportedStatus | None = None,
    ) -> None:
        """Publish the state of the core.

        Its components are those of the last completed deployment, or of ``shown`` before the first.
        """
        states = {name: change.state for name, change in self._states.items()}
        self._health.publish(self._deployed or shown, states, order, verdict)

    def _client(self) -> Any:
        """Return a client of Greengrass's data plane, which takes the core's certificate.

        A local cloud serves it where it serves credentials.
        """
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config

        files = self._configuration
        return boto3.client(
            "greengrassv2",
            endpoint_url=f"https://{self._data_plane.host}:{self._data_plane.port}",
            region_name=files.region,
            verify=str(files.root_ca),
            config=Config(
                signature_version=UNSIGNED,
                client_cert=(str(files.certificate), str(files.private_key)),
                proxies={},
            ),
        )

    def _s3(self) -> Any:
        """Return a client of S3 with the credentials of the token exchange role."""
        import boto3
        from botocore.config import Config

        credentials = self._credentials.get()
        return boto3.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name=self._configuration.region,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )


def _unchanged(cause: str) -> ReportedStatus:
    return ReportedStatus("FAILED", "FAILED_NO_STATE_CHANGE", cause)
