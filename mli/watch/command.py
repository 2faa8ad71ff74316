"""``mli watch``: what cores predict, live."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from inference import names

from ..aws import aws_options
from ..cli.options import refuse_given, timeout_option
from ..cli.output import Colour, Output, examples, reporting, terminal_cells
from ..cli.owner_names import CoreName
from .awaited import Awaited
from .columns import Columns
from .connecting import broker_options, connection_of
from .display import Message, Tally, is_degraded
from .listener import Listener
from .record import Record
from .silence import Silences

_EXAMPLES = examples(
    "mli watch Demo",
    "mli watch Demo --count 10 --save predictions.jsonl",
    "mli watch --all --certificate certs/workstation --endpoint HOST",
    "mli watch --all --seconds 60 --json",
)


@click.command(epilog=_EXAMPLES)
@click.argument("core_name", type=CoreName(), required=False)
@click.option("--all", "everyone", is_flag=True, help="Watch all cores of the account and Region.")
@broker_options
@click.option("--client-id", metavar="ID", help="MQTT client id; default: a random one.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append each message to a file, as a line of JSON.",
)
@click.option(
    "--samples/--no-samples",
    "with_samples",
    default=True,
    help="Also print which samples feedback has uploaded; on by default.",
)
@click.option(
    "--count",
    type=click.IntRange(1),
    metavar="N",
    help="End after this many predictions; --timeout applies to each.",
)
@timeout_option(default=900, longest=86_400)
@click.option(
    "--seconds", type=click.FloatRange(0.1), metavar="SECONDS", help="End after this time."
)
@aws_options
@reporting
def watch(
    output: Output,
    core_name: str | None,
    everyone: bool,
    certificate: Path | None,
    endpoint: str | None,
    client_id: str | None,
    save: Path | None,
    with_samples: bool,
    count: int | None,
    timeout: float,
    seconds: float | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Print predictions, telemetry and samples of the core CORE_NAME, or of --all, as they arrive.

    The command reconnects when the connection breaks, and ends with a summary at Ctrl-C. A core
    that runs sends telemetry every minute: if no message arrives, `mli status` shows when it was
    last heard. With a certificate and --endpoint no AWS credentials are needed.
    """
    if everyone == (core_name is not None):
        raise click.UsageError("give a CORE_NAME, or --all")
    if count is None:
        refuse_given("timeout", because="goes with --count; --seconds ends the command in any case")
    connection = connection_of(certificate, endpoint, region, aws_profile, client_id=client_id)
    who = core_name or "+"
    topics = [names.prediction_topic(who), names.telemetry_topic(who)]
    if with_samples:
        topics.append(names.FEEDBACK_PREDICTION_TOPIC)
    tally, began = Tally(), time.monotonic()
    columns, silences, awaited = Columns(), Silences(), Awaited(count, timeout, began)

    with contextlib.ExitStack() as opened:
        record = opened.enter_context(Record(save)) if save is not None else None
        is_interrupted = opened.enter_context(interrupted())

        def is_done() -> bool:
            now = time.monotonic()
            if not listener.is_connected:
                silences.disconnected(now)
            for core, pause in silences.news(now):
                output.say(f"{datetime.now(UTC):%H:%M:%S} {core}: silent for {pause:.0f} s")
            is_over = seconds is not None and now - began >= seconds
            return is_over or awaited.is_complete() or awaited.is_late(now) or is_interrupted()

        def handle(topic: str, payload: bytes) -> None:
            message = Message.parse(topic, payload, datetime.now(UTC))
            if message is None or (core_name is not None and message.core_name != core_name):
                return
            if record is not None:
                record.add(message.to_json())
            now = time.monotonic()
            rate = tally.add(message, now)
            awaited.heard(message, now)
            silences.heard(message.core_name, now)
            shown = None if rate is None else round(rate, 3)
            text = columns.line(message, rate, terminal_cells())
            output.event({**message.to_json(), "perSecond": shown}, text, _colour(message))

        listener = Listener(connection, topics, handle=handle, is_done=is_done, notice=output.say)
        listener.run()
        if not is_interrupted():
            listener.check_connected()
    values, text = tally.summary(time.monotonic() - began, listener.interruptions)
    if not tally.counts:
        text += (
            f"\nNext: a core that runs sends telemetry every {names.TELEMETRY_SECONDS} s; when was "
            f"this one heard last?\n  mli status {core_name or 'CORE_NAME'}"
        )
    elif save is not None:
        text += f"\nsaved in {save}"
    output.result({"summary": values}, text)
    if not is_interrupted():
        awaited.check(time.monotonic(), core_name)


def _colour(message: Message) -> Colour | None:
    if is_degraded(message):
        return Colour.FAULT
    return Colour.NEWS if message.kind == "sample" else None


@contextlib.contextmanager
def interrupted() -> Iterator[Callable[[], bool]]:
    """Yield whether Ctrl-C or SIGTERM came, so that a line is finished. A second one raises.

    So does the end of the terminal, unless ``nohup`` has the process ignore it.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt

    ends = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ends.append(signal.SIGHUP)
    kept = {number: signal.signal(number, note) for number in ends}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
