"""``make soak``: the real component for as long as wanted, with one fault after the other.

Ends with a table, and with status 1 if a message or sample was lost or came twice, a fault was not
named in time, or memory grew.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from edge_functions import CODE_FOLDER
from inference.names import FEEDBACK_STATUS_TOPIC, telemetry_topic
from local_core.cloud import LocalCloud
from tests.component.camera import Camera
from tests.component.conftest import BUCKET, CORE, FEEDBACK, Rig, running_rig
from tests.local_core.support import eventually
from tests.soak.faults import Fault, passing_faults, restarts

NAMED_WITHIN = 10.0
RECOVERED_WITHIN = 15.0
MEMORY_GROWTH = 1.05
_FAULT_SECONDS = 4.0
_CALM_SECONDS = 6.0
_WARM_SECONDS = 60.0


@dataclass
class Findings:
    """What the soak saw; ``wrong`` is what must not be."""

    injected: Counter[str] = field(default_factory=Counter)
    slowest_name: float = 0.0
    slowest_recovery: float = 0.0
    memory: list[tuple[float, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@click.command()
@click.option("--minutes", default=3.0, show_default=True, help="How long, after the restarts.")
def main(minutes: float) -> None:
    """Soak the component with every fault in turn, and print what became of everything."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, LocalCloud() as cloud:
        images = Path(folder) / "images"
        shutil.copytree(CODE_FOLDER / "sample_images", images)
        cloud.client("s3").create_bucket(Bucket=BUCKET)
        camera = Camera((images / "coffee.jpg").read_bytes())
        camera.plug_in()
        stream = f"http://127.0.0.1:{camera.port}/stream.mjpg"
        with running_rig(cloud, Path(folder)) as rig:
            rig.configure(
                imageSource=json.dumps([str(images), stream]),
                inferenceInterval=0.2,
                messageFormat="envelope",
                feedbackConfiguration=FEEDBACK,
            )
            findings = soak(rig, passing_faults(images, camera), minutes * 60)
        camera.unplug()
    for line in findings.wrong:
        click.echo(f"WRONG: {line}")
    raise SystemExit(1 if findings.wrong else 0)


def soak(rig: Rig, faults: Sequence[Fault], seconds: float) -> Findings:
    """Restart the component in both ways, then run one process through the passing faults."""
    findings = Findings()
    rig.start()
    rig.await_predictions(5)
    for fault in restarts():
        click.echo(f"fault: {fault.title}")
        fault.begin(rig)
        findings.injected[fault.title] += 1
        rig.await_predictions(5)
    kills = findings.injected["kill -9"]
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        for fault in faults:
            inject(rig, fault, findings)
            note_memory(rig, findings, time.monotonic() - began)
            if time.monotonic() - began >= seconds:
                break
    if rig.stop() != 0:
        findings.wrong.append("the component did not end with status 0")
    account(rig, findings, kills)
    return findings


def inject(rig: Rig, fault: Fault, findings: Findings) -> None:
    """Let one fault come and go, and see that it is named, and that it passes."""
    click.echo(f"fault: {fault.title}")
    findings.injected[fault.title] += 1
    began = time.monotonic()
    fault.begin(rig)
    # Telemetry cannot arrive while the broker is away: it says so when it can again.
    visible = fault.name is not None and fault.name != "no broker"
    if visible:
        try:
            eventually(lambda: fault.name in rig.faults(), NAMED_WITHIN)
            findings.slowest_name = max(findings.slowest_name, time.monotonic() - began)
        except AssertionError:
            findings.wrong.append(f"{fault.title} was not named within {NAMED_WITHIN:g} s")
    time.sleep(_FAULT_SECONDS)
    fault.end(rig)
    returned = time.monotonic()
    try:
        eventually(lambda: rig.faults() == [], RECOVERED_WITHIN)
        rig.await_predictions(1)
        findings.slowest_recovery = max(findings.slowest_recovery, time.monotonic() - returned)
    except AssertionError:
        findings.wrong.append(f"{fault.title}: no recovery within {RECOVERED_WITHIN:g} s")
    time.sleep(_CALM_SECONDS)


def note_memory(rig: Rig, findings: Findings, at: float) -> None:
    """Keep the component's resident memory in megabytes, and the seconds since it began."""
    assert rig.process is not None
    pages = int(Path(f"/proc/{rig.process.pid}/statm").read_text().split()[1])
    findings.memory.append((at, pages * 4096 / 1e6))


def account(rig: Rig, findings: Findings, kills: int) -> None:
    """Compare what was read, predicted, published and uploaded, and print it."""
    last = rig.broker.on(telemetry_topic(CORE))[-1]
    frames, publish, feedback = last["frames"], last["publish"], last["feedback"]
    statuses = rig.broker.on(FEEDBACK_STATUS_TOPIC)
    uploaded = [s["response"]["s3_response"]["key"] for s in statuses]
    predicted = len(rig.predictions())
    lost = predicted - len(set(uploaded)) - feedback["waiting"]
    unaccounted = frames["read"] - frames["predicted"] - frames["failed"]
    objects = rig.samples()
    checks = {
        "unaccounted frames": unaccounted,
        "messages dropped": publish["dropped"] + publish["refused"],
        "samples lost": max(0, lost - kills),
        "samples twice": len(uploaded) - len(set(uploaded)),
        "objects without a message": max(0, len(set(objects) - set(uploaded)) - kills),
        "messages without an object": len(set(uploaded) - set(objects)),
    }
    click.echo(f"frames of the last process: {frames}")
    click.echo(f"predictions received {predicted}, samples told of {len(uploaded)}")
    click.echo("faults injected: " + ", ".join(f"{n} {k}" for k, n in findings.injected.items()))
    click.echo(f"slowest naming {findings.slowest_name:.1f} s, ", nl=False)
    click.echo(f"slowest recovery {findings.slowest_recovery:.1f} s")
    for what, count in checks.items():
        click.echo(f"{what}: {count}")
        if count:
            findings.wrong.append(f"{what}: {count}")
    report_memory(findings)


def report_memory(findings: Findings) -> None:
    """Print memory after the first minute and at the end, and its slope between."""
    warm = [(at, size) for at, size in findings.memory if at >= _WARM_SECONDS]
    if len(warm) < 2:
        click.echo(f"memory: too short a run to tell: {findings.memory}")
        return
    (first_at, first), (last_at, last) = warm[0], warm[-1]
    click.echo("megabytes by time: " + " ".join(f"{size:.0f}" for _, size in findings.memory))
    slope = (last - first) / max(1.0, last_at - first_at) * 3600
    click.echo(f"memory: {first:.1f} MB after a minute, {last:.1f} MB at the end, ", nl=False)
    click.echo(f"slope {slope:+.1f} MB an hour")
    if last > first * MEMORY_GROWTH:
        findings.wrong.append(f"memory grew from {first:.1f} to {last:.1f} MB")


if __name__ == "__main__":
    main()
