"""Runs cores one after the other against a local cloud, each deployed as to AWS."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import click

from local_core.device.setup import Address
from local_core.device.watcher import Received, Watcher
from local_core.nucleus.dialect import CLASSIC, Nucleus
from local_core.output import installation
from local_core.output.console import CoreConsole
from local_core.output.progress import Progress, RunTimes, summary
from local_core.output.terminal import counted
from local_core.processes.cdk import REPOSITORY
from local_core.processes.interrupts import Interrupted, Interrupts
from local_core.run.instructions import instructions
from local_core.run.session import Session
from local_core.run.shared_cloud import SharedCloud
from local_core.run.synthesis import Synthesis
from local_core.run.target import PreparedCore, Target
from stacks import names

from ..view.local import LocalPage
from .sheet import write_sheet_of

STATE = REPOSITORY / "build" / "local-core"
SHEET = REPOSITORY / "build" / "contact-sheet.jpg"
_SHOWN_SAMPLES = 6
_FOLLOW_SECONDS = 2.0
_POLL_SECONDS = 0.1


class Runner:
    """Deploys and runs one core after the other; the next template is synthesised meanwhile."""

    def __init__(
        self,
        progress: Progress,
        interrupts: Interrupts,
        *,
        region: str,
        keep: bool,
        nucleus: Nucleus = CLASSIC,
        view: bool = False,
    ) -> None:
        """``keep`` leaves the cores up; ``view`` serves a page of them meanwhile."""
        self._progress = progress
        self._interrupts = interrupts
        self._region = region
        self._keep = keep
        self._nucleus = nucleus
        self._is_viewed = view
        self._page: LocalPage | None = None
        self._sessions: list[Session] = []
        self._check_cloud: Callable[[], None] = lambda: None
        self._open = ExitStack()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def run(self, targets: list[Target], frames: int) -> None:
        """Run every target, and show how long it took.

        Raises:
            LocalCoreError: if something does not work.
            Interrupted: if the user asked to stop.
        """
        began = time.monotonic()
        shared = self._open.enter_context(
            SharedCloud(STATE, self._progress, self._interrupts, region=self._region)
        )
        all_prepared = []
        coming = None
        for target in targets:
            all_prepared.append(shared.prepare(target))
            coming = coming or self._synthesise(all_prepared[0])
        self._announce_downloads(all_prepared)
        shared.bootstrap()
        watcher = self._watch(shared)
        if self._is_viewed:
            self._page = self._open.enter_context(LocalPage(shared.cloud))
            self._progress.say(f"open {self._page.address}")
        times = []
        for number, prepared in enumerate(all_prepared, start=1):
            assert coming is not None, "each synthesis begins while the one before is used"
            assembly = coming.wait(self._interrupts)
            if number < len(all_prepared):
                coming = self._synthesise(all_prepared[number])
            times.append(self._run_one(shared, prepared, assembly, frames, began))
            began = time.monotonic()
        click.echo("\n" + summary(times))
        if write_sheet_of(all_prepared, watcher, SHEET):
            self._progress.say(f"contact sheet of what the cores saw: {SHEET}")
        if self._keep:
            watcher.stop_keeping()
            self._check_cloud = shared.cloud.check
            with suppress(Interrupted):  # the way to end it, and no failure
                self._follow(
                    instructions(shared.cloud, all_prepared, watcher, STATE)
                    + (f"  open {self._page.address}\n" if self._page else "")
                )
        self._progress.say("stopping the local cloud")

    def _announce_downloads(self, all_prepared: Sequence[PreparedCore]) -> None:
        """Say before the first run what it downloads; pip keeps it for the cores that follow."""
        components = [
            core.root / "work" / names.component_name(core.target.core_name)
            for core in all_prepared
            if core.target.greengrass_version == 2
        ]
        if installation.is_first(components):
            self._progress.say(
                f"the cores download {installation.DOWNLOAD_MEGABYTES} MB of Python packages once, "
                "which takes a minute or more"
            )

    def _follow(self, text: str) -> None:
        """Print ``text``, and what changes on the cores until the user asks to stop.

        The text is printed again once nothing changes any more, so that it is always the last.

        Raises:
            LocalCloudError: if the cloud has ended.
            Interrupted: if the user asked to stop.
        """
        is_last = False
        while True:
            changes = [session.follow() for session in self._sessions]
            is_quiet = not any(changes)
            if is_quiet and not is_last:
                click.echo(text)
            is_last = is_quiet
            end = time.monotonic() + _FOLLOW_SECONDS
            while time.monotonic() < end:
                self._interrupts.check()
                self._check_cloud()
                time.sleep(_POLL_SECONDS)

    def _synthesise(self, prepared: PreparedCore) -> Synthesis:
        options = " ".join(f"-c {key}={value}" for key, value in prepared.context.items())
        self._progress.say(f"cdk deploy {prepared.stack} {options}")
        name = prepared.target.core_name
        return self._open.enter_context(Synthesis(name, prepared.context))

    def _watch(self, shared: SharedCloud) -> Watcher:
        """Listen with a separate certificate and connection, so that only the broker is trusted."""
        cloud = shared.cloud
        watcher = Watcher(
            cloud.client("iot"),
            broker=Address(cloud.mqtt_host, cloud.mqtt_port),
            root_ca=cloud.ca_path,
            folder=STATE / "watcher",
            on_message=self._spread,
        )
        return self._open.enter_context(watcher)

    def _spread(self, message: Received) -> None:
        for session in self._sessions:
            session.receive(message)
        if self._page is not None:
            self._page.receive(message.topic, message.payload)

    def _run_one(
        self, shared: SharedCloud, prepared: PreparedCore, assembly: Path, frames: int, began: float
    ) -> RunTimes:
        target = prepared.target
        outputs = shared.deploy(prepared, assembly)
        self._progress.say(f"{target.core_name}: the stack {prepared.stack} is complete")
        shared.finish_deployment(prepared, outputs)
        deployed = time.monotonic()
        with ExitStack() as opened:
            session = Session(
                self._set_up(prepared, outputs, shared.cloud.endpoint),
                prediction_topic=outputs["PredictionTopic"],
                progress=self._progress,
                interrupts=self._interrupts,
            )
            self._sessions.append(session)
            opened.enter_context(session)
            session.await_predictions(frames)
            if self._keep:
                self._open.push(opened.pop_all())
            else:
                self._progress.say("stopping the core")
        session.show_waiting()
        first, last = session.predictions[0], session.predictions[-1]
        return RunTimes(
            model=target.title,
            deploy=deployed - began,
            first_prediction=first - deployed,
            frames=len(session.predictions),
            all_frames=last - first,
            samples=self._show_samples(shared, outputs),
        )

    def _set_up(
        self, prepared: PreparedCore, outputs: Mapping[str, str], endpoint: str
    ) -> CoreConsole:
        """Write the core's configuration, and return the core that reads it."""
        generation = prepared.target.generation
        file = generation.write_configuration(outputs["GreengrassConfig"], prepared.root)
        self._progress.say(f"set up the core from GreengrassConfig: {file}")
        configuration = generation.read_configuration(file)
        return CoreConsole(
            generation,
            configuration,
            endpoint=endpoint,
            progress=self._progress,
            nucleus=self._nucleus,
        )

    def _show_samples(self, shared: SharedCloud, outputs: Mapping[str, str]) -> int:
        """List the feedback samples that are in S3 now; return how many there are."""
        self._progress.say_counts()
        bucket = outputs.get("FeedbackBucket")
        keys = [] if bucket is None else shared.samples(bucket)
        self._progress.say(f"s3://{bucket}: {counted(len(keys), 'feedback sample')}")
        for key in keys[:_SHOWN_SAMPLES]:
            self._progress.detail(key)
        if len(keys) > _SHOWN_SAMPLES:
            self._progress.detail(f"… and {len(keys) - _SHOWN_SAMPLES} more")
        return len(keys)
