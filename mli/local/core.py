"""``mli core``: a device with a core on it, from its set-up archive."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import click

from local_core.archives.claim import ClaimArchive
from local_core.archives.setup import SetupArchive
from local_core.device.setup import Address, CoreConfiguration
from local_core.errors import LocalCoreError
from local_core.nucleus.dialect import NUCLEI
from local_core.nucleus.lifecycle import State, StateChange
from local_core.output.console import CoreConsole, Verdict
from local_core.output.progress import Progress, tail
from local_core.processes.cdk import REPOSITORY
from local_core.processes.environments import for_local_cloud
from local_core.processes.folder_lock import exclusive
from local_core.processes.interrupts import Interrupted, Interrupts
from stacks.names import core_of_thing, thing_name

from ..cli.options import refuse_given
from ..cli.output import examples
from ..cli.owner_names import CoreName
from .failures import FAILURES, reported
from .options import nucleus_option

DEVICES = REPOSITORY / "build" / "devices"
_SOURCE = "`make cloud` in another shell, then `source build/local-cloud/environment.sh` in this"
_ASK_SECONDS = 5.0
_CONNECT_SECONDS = 15.0
_REPEAT_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MQTTS = 8883
_TROUBLE = (State.ERRORED, State.BROKEN, State.FINISHED)


class CoreStartError(LocalCoreError):
    """The core cannot start; the message says what would help."""


@click.command(
    epilog=examples(
        "mli core greengrass-setup.zip",
        "mli core demo.zip --folder /tmp/device",
        "mli core greengrass-claim.zip --core-name press-7    # of `mli fleet claim`",
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
@click.option(
    "--core-name",
    "name",
    type=CoreName(),
    help="With a claim in ARCHIVE: the core that the device becomes.",
)
@nucleus_option
def core(
    archive: Path, folder: Path | None, endpoint: str | None, name: str | None, nucleus: str
) -> None:
    """Run the device that ARCHIVE was packaged for, with a core on it, until Ctrl-C.

    ARCHIVE, usually greengrass-setup.zip, is unpacked, and a core of its generation connects with
    the key in it and carries out what the local cloud deploys to its thing, now and later. As on a
    device, it knows nothing else. With a claim in ARCHIVE, the device first provisions itself.
    """
    progress = Progress()
    try:
        with for_local_cloud(), Interrupts() as interrupts, ExitStack() as opened:
            setup = SetupArchive.read(archive)
            claim = ClaimArchive.of(setup)
            if not setup.generation.has_nucleus:
                refuse_given("nucleus", because=f"is for Greengrass V2: {archive} is for V1")
            if claim is None:
                refuse_given("name", because=f"goes with a claim: {archive} names its core")
            thing = setup.thing_name if claim is None else thing_name(_named(archive, name))
            root = (folder or DEVICES / thing).absolute()
            if not endpoint:
                raise CoreStartError(f"no local cloud is named: {_SOURCE}")
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            busy = f"another core works in {root}: stop it, or give a --folder"
            opened.enter_context(exclusive(root / "device.lock", busy))
            if claim is None or name is None:
                configuration = setup.install(root)
            else:
                configuration = claim.install(root, name)
            check_broker(configuration, broker_of(endpoint, configuration.region))
            progress.say(f"{thing}: {archive} is unpacked in {root}")
            opened.enter_context(_warnings_shown(progress))
            console = CoreConsole(
                setup.generation,
                configuration,
                endpoint=endpoint,
                progress=progress,
                nucleus=NUCLEI[nucleus],
            )
            opened.enter_context(RunningCore(console, progress)).run(interrupts)
    except Interrupted:
        progress.say("the core has stopped")
    except FAILURES as failure:
        raise reported(failure) from failure


def _named(archive: Path, name: str | None) -> str:
    """Return the name of a core that comes by a claim.

    Raises:
        CoreStartError: if there is none.
    """
    if name is None:
        raise CoreStartError(
            f"{archive} has a claim, the same for all devices: add --core-name NAME of this core"
        )
    return name


def broker_of(endpoint: str, region: str) -> Address:
    """Return the address of the broker of the local cloud at ``endpoint``, in this ``region``.

    Raises:
        CoreStartError: if none answers, or it is in another Region.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        iot = boto3.client(
            "iot",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(connect_timeout=_ASK_SECONDS, retries={"total_max_attempts": 1}),
        )
        reply = iot.describe_endpoint(endpointType="iot:Data-ATS")
        return Address.parse(reply["endpointAddress"], _MQTTS)
    except ClientError as error:
        raise CoreStartError(f"the archive is not for the cloud at {endpoint}: {error}") from None
    except (BotoCoreError, KeyError, ValueError) as error:
        raise CoreStartError(f"no local cloud answers at {endpoint} ({error}): {_SOURCE}") from None


def check_broker(configuration: CoreConfiguration, here: Address) -> None:
    """Return if the core is configured for the broker ``here``.

    Raises:
        CoreStartError: if it is for another broker, such as that of a cloud that is gone.
    """
    configured = configuration.broker
    if here != configured:
        name = core_of_thing(configuration.thing_name) or configuration.thing_name
        raise CoreStartError(
            f"the archive is for the broker {configured.host}:{configured.port}, and this cloud's "
            f"is {here.host}:{here.port}: deploy to this cloud (npx cdk deploy …), then "
            f"`mli package {name}`"
        )


class RunningCore:
    """A context in which the core of one device works, and reports what happens."""

    def __init__(self, console: CoreConsole, progress: Progress) -> None:
        self._console = console
        self._thing = console.configuration.thing_name
        self._progress = progress

    def __enter__(self) -> Self:
        self._console.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.say("stopping the core")
        self._console.__exit__(None, None, None)

    def run(self, interrupts: Interrupts) -> None:
        """Connect, then report what the core does until it is to stop.

        A deployment that fails is reported and not the end: the core takes the next one.

        Raises:
            CoreStartError: if the broker does not take the core.
            Interrupted: if the user asked to stop.
        """
        self._connect(interrupts)
        while True:
            interrupts.check()
            self._console.remind(f"nothing is deployed yet: {self._advice}")
            event = self._console.next_event(_POLL_SECONDS)
            if event is not None:
                self._report(event)

    @property
    def _advice(self) -> str:
        then = self._console.generation.after_deploy
        return f"`npx cdk deploy …`, then {then}" if then else "`npx cdk deploy …`"

    def _connect(self, interrupts: Interrupts) -> None:
        broker, address = self._console.device.broker, self._console.configuration.broker
        end = time.monotonic() + _CONNECT_SECONDS
        while not broker.wait_until_connected(_POLL_SECONDS):
            interrupts.check()
            if time.monotonic() > end:
                raise CoreStartError(
                    f"the broker {address.host}:{address.port} does not take "
                    f"{self._thing} ({broker.fault}): "
                    "`mli package` says whether its certificate is active and attached"
                )
        self._progress.say(f"{self._thing} is connected")
        self._console.restart_clock(time.monotonic())

    def _report(self, event: StateChange | Verdict) -> None:
        self._progress.say(self._console.take(event))
        if isinstance(event, Verdict) and event.is_success:
            deployed = self._console.device.deployed
            parts = ", ".join(map(self._console.generation.short_name, deployed))
            self._progress.say(
                f"ready: {self._thing} runs {parts} until Ctrl-C"
                if parts
                else f"nothing is deployed to {self._thing} any more: {self._advice}"
            )
        elif isinstance(event, Verdict) or event.state in _TROUBLE:
            for log in self._console.logs():
                for line in (f"the end of {log}:", *tail(log)):
                    self._progress.detail(line)
            part = None if isinstance(event, Verdict) else event.component
            for line in self._console.explanations(part):
                self._progress.say(line)


class _OncePerMinute(logging.Handler):
    """Shows what the core's parts log, each text once a minute, because they retry."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress
        self._shown: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        text, now = record.getMessage(), time.monotonic()
        if now - self._shown.get(text, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._shown[text] = now
            self._progress.say(text)


@contextmanager
def _warnings_shown(progress: Progress) -> Iterator[None]:
    handler, logger = _OncePerMinute(progress), logging.getLogger("local_core")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
