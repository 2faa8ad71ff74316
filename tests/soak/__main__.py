"""``make soak``: the real component for a given time, with one fault after the other.

First it is killed and stopped repeatedly, mostly while something is unreachable; then one process
lives through fault after fault. It prints a table, and returns 1 if a message or sample was lost or
duplicated, a fault was not reported or not cleared in time, or memory grew.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import click

from inference.names import telemetry_topic
from tests.component.conftest import CORE, Rig
from tests.disks import Disk
from tests.soak.accounts import settle
from tests.soak.faults import Fault, passing_faults
from tests.soak.memory import Memory
from tests.soak.scene import scene
from tests.waiting import eventually

NAMED_WITHIN = 10.0
RECOVERED_WITHIN = 15.0
_CALM_SECONDS = 4.0
_FRAME_SECONDS = 0.2


@dataclass
class Findings:
    """What the soak observed; ``wrong`` lists what must not happen."""

    injected: Counter[str] = field(default_factory=Counter)
    power_cuts: list[float] = field(default_factory=list)
    slowest_name: tuple[float, str] = (0.0, "none")
    slowest_recovery: tuple[float, str] = (0.0, "none")
    wrong: list[str] = field(default_factory=list)


@click.command()
@click.option(
    "--minutes",
    default=3.0,
    show_default=True,
    help="How long one process runs; the restarts before it take a quarter of that.",
)
@click.option(
    "--fault",
    "chosen",
    multiple=True,
    metavar="TEXT",
    help="Only faults with this text in their title; may be repeated. Left out, all.",
)
def main(minutes: float, chosen: Sequence[str]) -> None:
    """Run the component with every fault in turn, and print the results."""
    findings = Findings()
    with scene(_FRAME_SECONDS) as made:
        for what, why in made.skipped.items():
            click.echo(f"skipped, no {what}: {why}")
        rig, every = made.rig, passing_faults(made)
        faults = [fault for fault in every if _is_chosen(fault, chosen)]
        if not faults:
            raise click.BadParameter("is in none of: " + ", ".join(one.title for one in every))
        rig.start()
        rig.await_predictions(5)
        soak_restarts(rig, faults, minutes * 15, findings)
        if made.disk is not None:
            soak_power_cut(rig, made.disk, every, findings)
        before, first = len(rig.predictions()), len(rig.broker.arrived)
        rig.start()
        rig.await_predictions(5)
        memory = soak_one_process(rig, faults, minutes * 60, findings, first)
        eventually(lambda: not list((rig.work / "samples").glob("*.sample")), RECOVERED_WITHIN)
        end(rig, signal.SIGTERM, findings)
        accounts = settle(
            rig,
            kills=findings.injected["kill -9"] + findings.injected["power cut"],
            predicted_before=before,
            power_cuts=findings.power_cuts,
        )
        frames = rig.broker.on(telemetry_topic(CORE))[-1]["frames"]
        click.echo(
            f"frames of the last process: {frames}, messages of all {len(rig.predictions())}"
        )
    report(findings, faults)
    lines, grown = memory.report()
    click.echo("\n".join([*accounts.lines(), *lines]))
    wrong = [*findings.wrong, *accounts.wrong(), *grown]
    for line in wrong:
        click.echo(f"WRONG: {line}")
    raise SystemExit(1 if wrong else 0)


def soak_restarts(rig: Rig, faults: Sequence[Fault], seconds: float, findings: Findings) -> None:
    """Kill or stop the component during one fault after the other, and leave it stopped."""
    began = time.monotonic()
    for fault, number in _restarts(faults):
        name = "kill -9" if number == signal.SIGKILL else "SIGTERM"
        click.echo(f"fault: {fault.title}, {name}")
        findings.injected[name] += 1
        fault.begin()
        time.sleep(fault.seconds / 2)
        end(rig, number, findings)
        rig.start()
        time.sleep(fault.seconds / 2)
        fault.end()
        recover(rig, fault, findings, time.monotonic())
        if time.monotonic() - began >= seconds:
            break
    end(rig, signal.SIGTERM, findings)


def soak_power_cut(rig: Rig, disk: Disk, faults: Sequence[Fault], findings: Findings) -> None:
    """Cut the power while nothing can be sent, so that all must come from the disk."""
    [away] = [fault for fault in faults if fault.title == "whole cloud away"]
    click.echo("fault: power cut")
    findings.injected["power cut"] += 1
    rig.start()
    rig.await_predictions(5)
    away.begin()
    time.sleep(2 * away.seconds)
    findings.power_cuts.append(time.time())
    end(rig, signal.SIGKILL, findings)
    disk.lose_power()
    rig.start()
    time.sleep(away.seconds)
    away.end()
    recover(rig, away, findings, time.monotonic())
    end(rig, signal.SIGTERM, findings)


def soak_one_process(
    rig: Rig, faults: Sequence[Fault], seconds: float, findings: Findings, first: int
) -> Memory:
    """Run one process through fault after fault; return its memory.

    ``first`` is the number of the first arrival from this process.
    """
    assert rig.process is not None
    memory = Memory(rig.process.pid)
    memory.note()
    for fault in itertools.cycle(faults):
        inject(rig, fault, findings, first)
        time.sleep(_CALM_SECONDS)
        memory.note()
        if time.monotonic() - memory.began >= seconds:
            return memory
    raise ValueError("there are no faults")


def inject(rig: Rig, fault: Fault, findings: Findings, first: int) -> None:
    """Inject and remove one fault; check that it is reported and cleared.

    ``first`` is the number of the first arrival from this process.
    """
    click.echo(f"fault: {fault.title}")
    findings.injected[fault.title] += 1
    began = time.monotonic()
    fault.begin()
    if not fault.hides_telemetry:
        if not _within(
            NAMED_WITHIN, lambda: set(fault.names) <= set(rig.faults()) and fault.seen()
        ):
            findings.wrong.append(f"{fault.title} was not reported within {NAMED_WITHIN:g} s")
        took = time.monotonic() - began
        if fault.names:
            findings.slowest_name = max(findings.slowest_name, (took, fault.title))
    time.sleep(fault.seconds)
    fault.end()
    returned = time.monotonic()
    if fault.hides_telemetry:
        _within(
            RECOVERED_WITHIN,
            lambda: _reported_after(rig, fault, began, first) < float("inf"),
        )
    recover(rig, fault, findings, returned)
    if fault.hides_telemetry:
        took = _reported_after(rig, fault, began, first)
        findings.slowest_name = max(findings.slowest_name, (took, fault.title))
        if took > NAMED_WITHIN:
            findings.wrong.append(f"{fault.title} was not reported within {NAMED_WITHIN:g} s")


def recover(rig: Rig, fault: Fault, findings: Findings, returned: float) -> None:
    """Check that no fault is left in time after ``returned``, and that there are predictions."""
    count = len(rig.predictions())
    left = returned + RECOVERED_WITHIN - time.monotonic()
    recovered = _within(left, lambda: rig.faults() == [] and len(rig.predictions()) > count + 2)
    took = time.monotonic() - returned
    findings.slowest_recovery = max(findings.slowest_recovery, (took, fault.title))
    if not recovered:
        findings.wrong.append(
            f"{fault.title}: no recovery within {RECOVERED_WITHIN:g} s: {rig.faults()}"
        )


def end(rig: Rig, number: int, findings: Findings) -> None:
    """End the component with a signal; after SIGTERM its status must be 0, within 10 s."""
    began = time.monotonic()
    status = rig.stop(number)
    took = time.monotonic() - began
    if number == signal.SIGTERM and (status != 0 or took > 10):
        findings.wrong.append(f"SIGTERM: status {status} after {took:.1f} s")


def report(findings: Findings, faults: Sequence[Fault]) -> None:
    """Print what was injected, and the longest times of reporting and recovery."""
    click.echo("faults injected: " + ", ".join(f"{n} {k}" for k, n in findings.injected.items()))
    missing = [fault.title for fault in faults if not findings.injected[fault.title]]
    if missing:
        click.echo("too short a run for: " + ", ".join(missing))
    for what, (seconds, title) in (
        ("naming", findings.slowest_name),
        ("recovery", findings.slowest_recovery),
    ):
        click.echo(f"slowest {what} {seconds:.1f} s: {title}")


def _is_chosen(fault: Fault, chosen: Sequence[str]) -> bool:
    return not chosen or any(text in fault.title for text in chosen)


def _restarts(faults: Sequence[Fault]) -> Iterator[tuple[Fault, int]]:
    """Yield faults and signals forever, alternating the signals as far as a fault allows."""
    wanted = itertools.cycle((signal.SIGKILL, signal.SIGTERM))
    number = next(wanted)
    for fault in itertools.cycle(fault for fault in faults if fault.restarts):
        if number in fault.restarts:
            yield fault, number
            number = next(wanted)


def _reported_after(rig: Rig, fault: Fault, began: float, first: int) -> float:
    """Return how long after ``began`` telemetry named a fault that delayed its own arrival.

    Telemetry contains the uptime of its process. A message that nothing delayed arrives at once,
    which gives the time of the start.
    """
    reports = [
        (at, payload)
        for at, (topic, payload) in zip(
            rig.broker.arrived_at[first:], rig.broker.arrived[first:], strict=True
        )
        if topic == telemetry_topic(CORE)
    ]
    up_since = min((at - payload["uptimeSeconds"] for at, payload in reports), default=0.0)
    reported = [
        up_since + payload["uptimeSeconds"] - began
        for _, payload in reports
        if set(fault.names) <= {one.split(":")[0] for one in payload["health"]["faults"]}
    ]
    return min((after for after in reported if after > -1), default=float("inf"))


def _within(seconds: float, check: Callable[[], bool]) -> bool:
    try:
        eventually(check, seconds)
    except AssertionError:
        return False
    return True


if __name__ == "__main__":
    main()
