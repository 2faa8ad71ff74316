"""``mli view``: a local page of running cores."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.exceptions
import click

from inference import names
from inference.feedback.configuration import FeedbackConfigurations
from local_core.output.terminal import shown_line

from ..aws import aws_options, clients, explain, session
from ..cli.output import Output, examples, reporting
from ..cli.owner_names import CoreName
from ..errors import MliError
from ..watch.command import interrupted
from ..watch.connecting import broker_options, connection_of
from ..watch.listener import Listener
from .background import Lookups
from .board import Ask, Board
from .controls import Controls
from .pictures import Pictures, s3_fetch
from .reasons import deployed_configurations
from .server import Server


@click.command(
    epilog=examples(
        "mli view Demo",
        "mli view                     # all cores of account and Region",
        "mli view Demo --certificate certs/workstation --endpoint HOST",
    )
)
@click.argument("core_name", type=CoreName(), required=False)
@broker_options
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the page; default: a free one.",
)
@click.option(
    "--seconds", type=click.FloatRange(0.1), metavar="SECONDS", help="End after this time."
)
@aws_options
@reporting
def view(
    output: Output,
    core_name: str | None,
    certificate: Path | None,
    endpoint: str | None,
    port: int,
    seconds: float | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Show the core CORE_NAME, or all cores, on a page of this machine, until Ctrl-C.

    The page has live pictures of cores that send them (previewInterval), the latest samples with
    boxes and labels, predictions, why feedback kept a sample, and charts. Threshold and feedback
    strategies can be changed there, which creates a deployment. It is served on loopback only, at
    an address with a random token. Samples and changes need AWS credentials.
    """
    connection = connection_of(certificate, endpoint, region, aws_profile)
    of = _credentials(output, region, aws_profile)
    lookups = Lookups(_configurations(output, of))
    board = Board(lookups, only=core_name)
    lookups.use = board.use_configurations
    pictures = None if of is None else Pictures(s3_fetch(of("s3")), board.describe)
    controls = Controls(of, board.use_configurations)
    began = time.monotonic()
    with interrupted() as is_interrupted, Server(board, pictures, controls, port=port) as server:

        def is_done() -> bool:
            board.set_connection(listener.is_connected)
            late = seconds is not None and time.monotonic() - began >= seconds
            return late or is_interrupted()

        def notice(text: str) -> None:
            board.set_connection(listener.is_connected, text)
            output.say(text)

        who = core_name or "+"
        topics = (
            names.prediction_topic(who),
            names.telemetry_topic(who),
            names.preview_topic(who),
            names.FEEDBACK_PREDICTION_TOPIC,
        )
        listener = Listener(
            connection, topics, handle=board.receive, is_done=is_done, notice=notice
        )
        address = {"address": server.address}
        output.result(address, f"open {server.address}\nCtrl-C ends it")
        listener.run()


def _credentials(
    output: Output, region: str | None, profile: str | None
) -> Callable[[str], Any] | None:
    """Return clients of AWS; None without credentials, which a certificate does not need."""
    try:
        if session(region, profile).get_credentials() is not None:
            return clients(region, profile)
    except (MliError, botocore.exceptions.BotoCoreError):
        pass
    output.say("there are no AWS credentials: the page shows no samples and changes nothing")
    return None


def _configurations(output: Output, of: Callable[[str], Any] | None) -> Ask:
    """Return a function that looks up why a core keeps samples, which the page can do without."""

    def found(core_name: str) -> FeedbackConfigurations | None:
        if of is None:
            return None
        try:
            return deployed_configurations(of, core_name)
        except (
            MliError,
            botocore.exceptions.ClientError,
            botocore.exceptions.BotoCoreError,
        ) as error:
            name = shown_line(core_name)
            output.say(f"{name}: the strategies of its samples are unknown: {explain(error)}")
            return None

    return found
