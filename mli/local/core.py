"""``mli core``: a device with a core on it, from the archive made for it."""

from __future__ import annotations

import fcntl
import logging
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from local_core.cloud import LocalCloud
from local_core.device.setup import Address, CoreConfiguration, SetupError
from local_core.device.setup_archive import SetupArchive
from local_core.device.v1.core import V1Device
from local_core.device.v2.core import V2Device
from local_core.interrupts import Interrupted, Interrupts
from local_core.nucleus.core import CoreBusyError
from local_core.nucleus.lifecycle import State, StateChange
from local_core.process_environment import for_a_local_cloud
from local_core.progress import Progress, tail
from local_core.session import Verdict
from local_core.synthesis import REPOSITORY

from ..cli.output import examples

DEVICES = REPOSITORY / "build" / "devices"
_SOURCE = "`make cloud` in another shell, then `source build/local-cloud/environment.sh` in this"
_NOT_DEPLOYED = "nothing is deployed yet: `npx cdk deploy …`, and for V1 `mli redeploy NAME`"
_ASK_SECONDS = 5.0
_CONNECT_SECONDS = 15.0
_REMINDER_SECONDS = 10.0
_REPEAT_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MQTTS = 8883
_TROUBLE = (State.ERRORED, State.BROKEN, State.FINISHED)


class CoreStartError(Exception):
    """The core cannot begin its work; the message says what would help."""


@click.command(
    epilog=examples(
        "mli core greengrass-setup.zip",
        "mli core demo.zip --folder /tmp/device",
    )
)
@click.argument("archive", type=click.Path(path_type=Path))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The device's disk; default: build/devices/THING.",
)
@click.option(
    "--endpoint",
    envvar="AWS_ENDPOINT_URL",
    help="The local cloud [AWS_ENDPOINT_URL].",
)
def core(archive: Path, folder: Path | None, endpoint: str | None) -> None:
    """Be the device that ARCHIVE was packaged for, with a core on it, until Ctrl-C.

    ARCHIVE, mostly greengrass-setup.zip, is unpacked, and a core of its generation connects with
    the key in it and carries out what the local cloud deploys to its thing, now and later. It knows
    nothing else, as on a device.
    """
    progress = Progress()
    try:
        with for_a_local_cloud(), Interrupts() as interrupts, ExitStack() as opened:
            setup = SetupArchive.read(archive)
            thing = setup.thing_name
            root = (folder or DEVICES / thing).absolute()
            if not endpoint:
                raise CoreStartError(f"no local cloud is named: {_SOURCE}")
            broker = broker_of(endpoint)
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _claim(root, opened)
            configuration = setup.install(root)
            check_broker(configuration, broker)
            progress.say(f"{thing}: {archive} is unpacked in {root}")
            opened.enter_context(_warnings_told(progress))
            device = RunningCore(configuration, setup.generation, endpoint, progress)
            opened.enter_context(device)
            device.live(interrupts)
    except Interrupted:
        progress.say("the core has stopped")
    except (CoreBusyError, CoreStartError, SetupError, OSError) as failure:
        raise click.ClickException(str(failure)) from failure


def broker_of(endpoint: str) -> Address:
    """Return the address of the broker of the local cloud at ``endpoint``.

    Raises:
        CoreStartError: if none answers.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        iot = boto3.client(
            "iot",
            endpoint_url=endpoint,
            region_name=LocalCloud.region,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(connect_timeout=_ASK_SECONDS, retries={"total_max_attempts": 1}),
        )
        reply = iot.describe_endpoint(endpointType="iot:Data-ATS")
        return Address.parse(reply["endpointAddress"], _MQTTS)
    except (BotoCoreError, ClientError, KeyError, ValueError) as error:
        raise CoreStartError(f"no local cloud answers at {endpoint} ({error}): {_SOURCE}") from None


def check_broker(configuration: CoreConfiguration, here: Address) -> None:
    """Return if the core is configured for the broker ``here``.

    Raises:
        CoreStartError: if it is another one's, such as that of a cloud that is gone.
    """
    told = configuration.broker
    if here != told:
        name = configuration.thing_name.removesuffix("_Core")
        raise CoreStartError(
            f"the archive is for the broker {told.host}:{told.port}, and this cloud's is "
            f"{here.host}:{here.port}: deploy to this cloud (npx cdk deploy …), then "
            f"`mli package {name}`"
        )


class RunningCore:
    """A context in which the core of one device works, and tells what happens."""

    def __init__(
        self, configuration: CoreConfiguration, generation: int, endpoint: str, progress: Progress
    ) -> None:
        self._configuration = configuration
        self._progress = progress
        self._events: queue.SimpleQueue[StateChange | Verdict] = queue.SimpleQueue()
        self._settled = False
        self._since = self._reminded = time.monotonic()
        if generation == 1:
            v1 = V1Device(configuration, endpoint=endpoint, on_verdict=self._judge)
            self._device: V1Device | V2Device = v1
            self._parts: Callable[[], tuple[str, ...]] = lambda: v1.functions
        else:
            v2 = V2Device(
                configuration,
                endpoint=endpoint,
                on_change=self._events.put,
                on_verdict=self._judge,
            )
            self._device, self._parts = v2, lambda: v2.components

    def __enter__(self) -> RunningCore:
        self._device.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.say("stopping the core")
        self._device.__exit__(None, None, None)

    def live(self, interrupts: Interrupts) -> None:
        """Connect, then tell what the core does until it is to stop.

        A deployment that fails is told and not the end: the core goes on with the one before.

        Raises:
            CoreStartError: if the broker does not take the core.
            Interrupted: if the user asked to stop.
        """
        self._connect(interrupts)
        while True:
            interrupts.check()
            self._remind()
            try:
                event = self._events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(event, Verdict):
                self._tell_verdict(event)
            else:
                self._tell_state(event)

    def _connect(self, interrupts: Interrupts) -> None:
        broker, address = self._device.broker, self._configuration.broker
        end = time.monotonic() + _CONNECT_SECONDS
        while not broker.wait_until_connected(_POLL_SECONDS):
            interrupts.check()
            if time.monotonic() > end:
                raise CoreStartError(
                    f"the broker {address.host}:{address.port} does not take "
                    f"{self._configuration.thing_name} ({broker.fault}): "
                    "`mli package` says whether its certificate is active and attached"
                )
        self._progress.say(f"{self._configuration.thing_name} is connected")
        self._since = self._reminded = time.monotonic()

    def _judge(self, status: str, reason: str) -> None:
        self._events.put(Verdict(status, reason))

    def _tell_verdict(self, verdict: Verdict) -> None:
        self._settled = True
        reason = f": {verdict.reason}" if verdict.reason else ""
        self._progress.say(f"the deployment: {verdict.status}{reason}")
        if verdict.status in ("SUCCEEDED", "Success"):
            parts = ", ".join(map(_short, self._parts())) or "nothing"
            self._progress.say(f"ready: {self._configuration.thing_name} runs {parts} until Ctrl-C")
        else:
            self._show_log()

    def _tell_state(self, change: StateChange) -> None:
        self._settled = change.state is State.RUNNING
        self._since = self._reminded = change.at
        why = f": {change.reason}" if change.reason else ""
        self._progress.say(f"{change.component} is {change.state.value}{why}")
        if change.state in _TROUBLE:
            self._show_log()

    def _show_log(self) -> None:
        for log in self._logs():
            for line in (f"the end of {log}:", *tail(log)):
                self._progress.detail(line)

    def _remind(self) -> None:
        now = time.monotonic()
        if self._settled or now - self._reminded < _REMINDER_SECONDS:
            return
        self._reminded = now
        lines = [line for log in self._logs() for line in tail(log, 1)]
        last = lines[-1] if lines else _NOT_DEPLOYED
        self._progress.say(f"… {now - self._since:.0f} s so far: {last}")

    def _logs(self) -> list[Path]:
        logs = [self._device.log_of(part) for part in self._parts()]
        return [log for log in logs if log is not None and log.exists()]


def _short(part: str) -> str:
    """Return a component's name, or a V1 function's from its ARN."""
    return part.split(":")[6] if part.startswith("arn:") else part


def _claim(root: Path, opened: ExitStack) -> None:
    lock = opened.enter_context((root / "device.lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CoreStartError(f"another core works in {root}: stop it, or give a --folder") from None


class _TellOnce(logging.Handler):
    """Shows what the parts of the core log, each text once a minute: they try again and again."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress
        self._told: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        text, now = record.getMessage(), time.monotonic()
        if now - self._told.get(text, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._told[text] = now
            self._progress.say(text)


@contextmanager
def _warnings_told(progress: Progress) -> Iterator[None]:
    handler, logger = _TellOnce(progress), logging.getLogger("local_core")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
