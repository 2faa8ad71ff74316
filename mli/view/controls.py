"""The settings of a core that the page can change, and how a change goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import botocore.exceptions

from inference.feedback.configuration import FeedbackConfigurations
from inference.schema import shown
from local_core.output.terminal import shown_line

from ..aws import Clients, explain
from ..device.deployments.reconfigure import Deployed, change, find_deployed
from ..device.generations.core_state import FAILED, SUCCEEDED
from ..device.generations.table import generation_of
from ..errors import MliError
from .reasons import strategy_text

NO_CREDENTIALS = "Changing settings needs AWS credentials; a certificate can only watch."

_POLL_SECONDS = 2.0
_LOCAL_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 900.0
_LOOK_AGAIN_SECONDS = 30.0
"""How often the deployment is read again while a core reports other settings than it says."""
_SHOWN_SECONDS = 10.0
_TEXT = 300
_FAULTS = (MliError, botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)

Use = Callable[[str, FeedbackConfigurations], None]
"""Takes the feedback configurations of a core, to say why it keeps samples."""


State = Literal["pending", "done", "failed"]


class ChangeRefusedError(MliError):
    """A change from the page cannot be made; its text says why."""


@dataclass
class _Change:
    """A change under way: until the core reports the digest of its settings."""

    deployed: Deployed | None = None
    """None until it is created."""
    state: State = "pending"
    text: str = "deploying"
    at: float = field(default_factory=time.monotonic)


@dataclass
class _Core:
    """What is known of one core."""

    deployed: Deployed | None = None
    fault: str | None = None
    is_looking: bool = False
    looked_at: float = 0.0
    change: _Change | None = None


class Controls:
    """Looks up and changes settings with AWS credentials; questions never wait for AWS."""

    def __init__(self, clients: Clients | None, use: Use = lambda core, found: None) -> None:
        """Without ``clients`` nothing can be changed, and the page says why."""
        self._clients = clients
        self._use = use
        self._lock = threading.Lock()
        self._cores: dict[str, _Core] = {}
        self._stopping = threading.Event()
        if clients is not None:
            for service in ("cloudformation", "greengrassv2", "iot"):
                clients(service)  # creating one is not safe from several threads

    def close(self) -> None:
        """End what follows changes."""
        self._stopping.set()

    def state(self, core_name: str, reported: str | None) -> dict[str, Any]:
        """Return what the page shows; ``reported`` is the digest that the core said last."""
        if self._clients is None:
            return {"reason": NO_CREDENTIALS}
        with self._lock:
            core = self._cores.setdefault(core_name, _Core())
            self._note(core, reported)
            self._look_if_due(core_name, core, reported)
            if core.deployed is None:
                return {"reason": core.fault or "Reading the core's deployment …"}
            return {**_shown(core.deployed, self._is_local), "change": _shown_change(core.change)}

    def apply(self, core_name: str, base: str, threshold: Any, on: Any) -> None:
        """Deploy another threshold and other strategies.

        ``base`` is the deployment that the page has shown.

        Raises:
            ChangeRefusedError: if that is not possible.
        """
        if self._clients is None:
            raise ChangeRefusedError(NO_CREDENTIALS)
        checked = _checked_threshold(threshold)
        if not isinstance(on, list) or not all(isinstance(one, str) for one in on):
            raise ChangeRefusedError("the strategies must be a list of ids")
        with self._lock:
            core = self._cores.get(core_name)
            deployed = None if core is None else core.deployed
            if core is None or deployed is None or deployed.id != base:
                raise ChangeRefusedError("the settings have changed meanwhile: look at them again")
            if core.change is not None and core.change.state == "pending":
                raise ChangeRefusedError("another change is still under way")
            core.change = made = _Change()
        try:
            created = change(self._clients, deployed, threshold=checked, on=on)
        except Exception as error:
            with self._lock:
                core.change = None
            self._look(core_name, core)  # it may have changed, or have been deleted
            if isinstance(error, _FAULTS):
                raise ChangeRefusedError(_words(error)) from error
            raise
        with self._lock:
            core.deployed = made.deployed = created
        self._take(core_name, created)
        self._start(self._follow, made, created)

    @property
    def _is_local(self) -> bool:
        assert self._clients is not None
        endpoint: str = self._clients("greengrassv2").meta.endpoint_url
        return urlsplit(endpoint).scheme == "http"

    def _note(self, core: _Core, reported: str | None) -> None:
        made = core.change
        if made is None or made.deployed is None:
            return
        if made.state != "done" and reported == made.deployed.digest:
            made.state, made.text, made.at = "done", "in use", time.monotonic()
        if made.state == "done" and time.monotonic() - made.at > _SHOWN_SECONDS:
            core.change = None

    def _look_if_due(self, name: str, core: _Core, reported: str | None) -> None:
        is_known = core.deployed is not None and reported in (None, core.deployed.digest)
        is_pending = core.change is not None and core.change.state == "pending"
        is_recent = core.looked_at and time.monotonic() - core.looked_at < _LOOK_AGAIN_SECONDS
        if not (is_known or is_pending or is_recent or core.is_looking):
            core.is_looking = True
            self._start(self._look, name, core)

    def _look(self, name: str, core: _Core) -> None:
        assert self._clients is not None
        found, fault = None, None
        try:
            found = find_deployed(self._clients, name)
        except Exception as error:  # the page must not wait for ever
            fault = _words(error)
        with self._lock:
            core.is_looking, core.looked_at, core.fault = False, time.monotonic(), fault
            if core.change is None or core.change.state != "pending":
                core.deployed = found
        if found is not None:
            self._take(name, found)

    def _take(self, name: str, deployed: Deployed) -> None:
        if deployed.known is not None:
            self._use(name, deployed.known)

    def _follow(self, made: _Change, deployed: Deployed) -> None:
        """Say how the deployment goes on, until the core uses it, or cannot."""
        assert self._clients is not None
        pause = _LOCAL_POLL_SECONDS if self._is_local else _POLL_SECONDS
        began = time.monotonic()
        while made.state == "pending" and not self._stopping.wait(pause):
            state, text = _progress(self._clients, deployed)
            if state == "pending" and time.monotonic() - began > _PATIENCE_SECONDS:
                state, text = "failed", "the core has not carried it out; is it online?"
            with self._lock:
                if made.state == "pending":  # or the core has reported it meanwhile
                    made.state, made.text = state, text

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, name="controls", daemon=True).start()


def _progress(clients: Clients, deployed: Deployed) -> tuple[State, str]:
    """Return how a deployment goes on, in words."""
    stack = deployed.stack
    try:
        found, _ = generation_of(stack).progress(clients, stack, deployed.id)
    except Exception as error:
        return "pending", _words(error)  # the next question may get an answer
    if found is None or not found.has_begun:
        return "pending", "waiting for the core"
    if found.status in FAILED:
        reason = f"{found.status}: {found.reason or 'no reason given'}"
        return "failed", shown_line(reason, _TEXT)
    if found.status in SUCCEEDED:
        return "pending", "deployed; waiting for the core to report it"
    return "pending", "the core carries it out"


def _checked_threshold(value: Any) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:
        raise ChangeRefusedError(f"the threshold must be a number from 0 to 1, not {shown(value)}")
    return float(value)


def _shown(deployed: Deployed, is_local: bool) -> dict[str, Any]:
    fleet = deployed.stack.fleet
    many = f"{deployed.group}{' or more' if deployed.more else ''}"
    if fleet or deployed.group > 1:
        noun = "core" if many == "1" else "cores"
        whom = f"{many} {noun}" + (f" of the fleet {fleet}" if fleet else "")
    else:
        whom = f"the core {deployed.stack.core_name}"
    known = deployed.known.all if deployed.known else ()
    return {
        "reason": None,
        "base": deployed.id,
        "threshold": deployed.threshold,
        "strategies": [
            {"id": one.id, "text": _strategy(one), "on": one.id in deployed.on} for one in known
        ],
        "whom": shown_line(whom, _TEXT),
        "confirm": not is_local or deployed.group > 1,
        "digest": deployed.digest,
    }


def _strategy(configuration: Any) -> str:
    chosen = configuration.strategy
    text = strategy_text(chosen.name, None, chosen.limit) if chosen else "every frame"
    return shown_line(f"{configuration.id}: {text}", _TEXT)


def _shown_change(made: _Change | None) -> dict[str, Any] | None:
    return None if made is None else {"state": made.state, "text": made.text}


def _words(error: Exception) -> str:
    text = str(error) if isinstance(error, MliError) else explain(error)
    return shown_line(text, _TEXT)
