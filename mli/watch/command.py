"""``watch``: what cores predict, live."""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import click

from inference import names

from ..aws import aws_options, session
from ..cli.output import Output, ToolError, examples, reporting
from ..device.core_stack import CoreName
from ..device.keyfiles import KeyFolder
from .connections import Address, CertificateRoad, CredentialsRoad, Road
from .display import Message, Tally, line
from .listener import Listener
from .record import Record

_EXAMPLES = examples(
    "mli watch Demo",
    "mli watch Demo --count 10 --save predictions.jsonl",
    "mli watch --all --certificate certs/desk --endpoint HOST",
    "mli watch --all --seconds 60 --json",
)


@click.command(epilog=_EXAMPLES)
@click.argument("core_name", type=CoreName(), required=False)
@click.option("--all", "everyone", is_flag=True, help="All cores of the account and Region.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of `certificate NAME --watch`; left out, your AWS credentials are used.",
)
@click.option("--endpoint", help="HOST or HOST:PORT of the broker; left out, AWS IoT is asked.")
@click.option("--client-id", help="MQTT client id; left out, one that nobody else has.")
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Append JSON lines to a file."
)
@click.option("--count", type=click.IntRange(1), help="End after so many predictions.")
@click.option("--seconds", type=click.FloatRange(0.1), help="End after this time.")
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
    count: int | None,
    seconds: float | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Print predictions and telemetry of the core CORE_NAME, or of --all, as they come.

    A connection that breaks is made again. Ctrl-C ends it with a summary; a first message that does
    not come means that the core does not run: see `status`. With a certificate and --endpoint no
    AWS credentials are needed.
    """
    if everyone == (core_name is not None):
        raise click.UsageError("give a CORE_NAME, or --all")
    if certificate is not None:
        road: Road = _with_certificate(certificate, endpoint, client_id, region, aws_profile)
    else:
        road = _with_credentials(endpoint, client_id, region, aws_profile)
    who = core_name or "+"
    topics = (names.prediction_topic(who), names.telemetry_topic(who))
    tally, began = Tally(), time.monotonic()

    with contextlib.ExitStack() as opened:
        record = opened.enter_context(Record(save)) if save is not None else None
        is_interrupted = opened.enter_context(_interrupted())

        def is_done() -> bool:
            late = seconds is not None and time.monotonic() - began >= seconds
            enough = count is not None and tally.of("prediction") >= count
            return late or enough or is_interrupted()

        def handle(topic: str, payload: bytes) -> None:
            message = Message.parse(topic, payload, datetime.now(UTC))
            if message is None:
                return
            if record is not None:
                record.add(message.to_json())
            rate = tally.add(message, time.monotonic())
            shown = None if rate is None else round(rate, 3)
            output.event({**message.to_json(), "perSecond": shown}, line(message, rate))

        listener = Listener(road, topics, handle=handle, is_done=is_done, notice=output.say)
        listener.run()
    values, text = tally.summary(time.monotonic() - began, listener.interruptions)
    if not tally.counts:
        text += f"\nNext: is the core at work?\n  mli status {core_name or 'CORE_NAME'}"
    elif save is not None:
        text += f"\nkept in {save}"
    output.result({"summary": values}, text)
    if count is not None and tally.of("prediction") < count and not is_interrupted():
        raise ToolError(f"{tally.of('prediction')} of {count} predictions came in {seconds:g} s")


def _with_certificate(
    folder: Path,
    endpoint: str | None,
    client_id: str | None,
    region: str | None,
    profile: str | None,
) -> Road:
    if endpoint is None:
        iot = session(region, profile).client("iot")
        endpoint = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    name = client_id or f"{folder.resolve().name}-{secrets.token_hex(4)}"
    return CertificateRoad(KeyFolder(folder), endpoint, name)


def _with_credentials(
    endpoint: str | None, client_id: str | None, region: str | None, profile: str | None
) -> Road:
    used = session(region, profile)
    iot = used.client("iot")
    if endpoint is None:
        endpoint = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    credentials = used.get_credentials()
    if credentials is None:
        raise ToolError(
            "there are no AWS credentials: run `aws configure`, set AWS_PROFILE, or give a "
            "--certificate"
        )
    own = urlsplit(iot.meta.endpoint_url)
    is_local = own.scheme == "http"  # AWS's own are https: only a local cloud's is not
    return CredentialsRoad(
        credentials.get_frozen_credentials,
        region=used.region_name,
        endpoint=endpoint,
        client_id=client_id or f"watch-{secrets.token_hex(4)}",
        plain=Address(own.hostname or "", own.port or 80) if is_local else None,
    )


@contextlib.contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Tell whether Ctrl-C or SIGTERM came; so no line is cut in its middle. A second one cuts."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt

    kept = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
