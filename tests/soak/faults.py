"""The faults of the soak, each with the name by which telemetry must know it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.component.camera import Camera
from tests.component.conftest import Rig


@dataclass(frozen=True)
class Fault:
    """Something taken away and given back; ``name`` is None for what telemetry does not name."""

    title: str
    name: str | None
    begin: Callable[[Rig], None]
    end: Callable[[Rig], None]


def _nothing(rig: Rig) -> None:
    return


def _broker(away: bool) -> Callable[[Rig], None]:
    def switch(rig: Rig) -> None:
        rig.broker.away = away

    return switch


def _disconnect(rig: Rig) -> None:
    rig.bench.server.disconnect_all()


def _bad_images(folder: Path) -> Callable[[Rig], None]:
    def write(rig: Rig) -> None:
        (folder / "zz_text.jpg").write_text("not an image")
        (folder / "zz_empty.png").write_bytes(b"")

    return write


def _good_images(folder: Path) -> Callable[[Rig], None]:
    def remove(rig: Rig) -> None:
        for path in folder.glob("zz_*"):
            path.unlink()

    return remove


def _restart(number: int) -> Callable[[Rig], None]:
    def restart(rig: Rig) -> None:
        rig.stop(number)
        rig.start()

    return restart


def passing_faults(images: Path, camera: Camera) -> tuple[Fault, ...]:
    """Return the faults that a process lives through; its sources are ``images`` and ``camera``."""
    return (
        Fault("broker away", "no broker", _broker(True), _broker(False)),
        Fault(
            "bucket away",
            "no bucket",
            lambda rig: rig.cloud.stop_part("s3"),
            lambda rig: rig.cloud.start_part("s3"),
        ),
        Fault(
            "camera unplugged",
            "no camera",
            lambda rig: camera.unplug(),
            lambda rig: camera.plug_in(),
        ),
        Fault("corrupt images", None, _bad_images(images), _good_images(images)),
        Fault("nucleus closes the connection", None, _disconnect, _nothing),
        Fault(
            "bad configuration",
            "bad configuration",
            lambda rig: rig.merge(topK="many"),
            lambda rig: rig.merge(topK=5),
        ),
    )


def restarts() -> tuple[Fault, ...]:
    """Return the faults that end a process."""
    return (
        Fault("kill -9", None, _restart(signal.SIGKILL), _nothing),
        Fault("SIGTERM", None, _restart(signal.SIGTERM), _nothing),
    )
