"""The faults of the soak, each with the name that telemetry must report."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local_core.cloud.local_cloud import Part
from tests.component.conftest import Rig
from tests.soak.scene import Scene

_DAY, _YEAR = 86_400, 365 * 86_400
_PARTS: tuple[Part, ...] = ("s3", "mqtt", "credentials", "http")
_SLOW_SECONDS = 12.0
_BOTH = (signal.SIGKILL, signal.SIGTERM)


@dataclass(frozen=True)
class Fault:
    """Something that is removed and restored.

    ``names`` are the faults that telemetry must report, none if it need not; ``seen`` is another
    sign of the fault. It lasts ``seconds``. During it, a process may be restarted by the signals of
    ``restarts``: not by ``kill -9`` where messages wait in memory only, since it would lose them.
    """

    title: str
    begin: Callable[[], object]
    end: Callable[[], object]
    names: tuple[str, ...] = ()
    seen: Callable[[], bool] = lambda: True
    seconds: float = 4.0
    restarts: tuple[int, ...] = _BOTH

    @property
    def hides_telemetry(self) -> bool:
        """Whether telemetry about it can arrive only when it is over."""
        return "no broker" in self.names


class Filler:
    """Another program that takes all room on a disk, also what is freed meanwhile."""

    def __init__(self, path: Path) -> None:
        """``path`` is its file."""
        self._path = path
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Take all room from now on."""
        self._ended.clear()
        self._fill()
        self._thread = threading.Thread(target=self._refill, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Free it."""
        self._ended.set()
        assert self._thread is not None
        self._thread.join()
        self._path.unlink()

    def _refill(self) -> None:
        while not self._ended.wait(0.02):
            self._fill()

    def _fill(self) -> None:
        with self._path.open("ab", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(bytes(4096))


def passing_faults(scene: Scene) -> tuple[Fault, ...]:
    """Return the faults that a process survives, as far as this machine can cause them."""
    return (
        *_of_broker_and_bucket(scene.rig),
        *_of_gateway(scene),
        *_of_disk(scene),
        *_of_sources(scene),
        *_of_configuration(scene),
        *_of_clock(scene),
    )


def _of_broker_and_bucket(rig: Rig) -> tuple[Fault, ...]:
    def set_broker(away: bool) -> None:
        rig.broker.away = away

    def stop_all() -> None:
        rig.broker.away = True
        for part in _PARTS:
            rig.cloud.stop_part(part)

    def start_all() -> None:
        for part in reversed(_PARTS):
            rig.cloud.start_part(part)
        rig.broker.away = False

    return (
        Fault(
            "broker away",
            lambda: set_broker(True),
            lambda: set_broker(False),
            ("no broker",),
        ),
        Fault(
            "broker without an answer",
            rig.broker.answers.clear,
            rig.broker.answers.set,
            ("no broker",),
            seconds=10.0,
            restarts=(),
        ),
        Fault(
            "bucket away",
            lambda: rig.cloud.stop_part("s3"),
            lambda: rig.cloud.start_part("s3"),
            ("no bucket",),
        ),
        Fault(
            "whole cloud away",
            stop_all,
            start_all,
            ("no broker", "no bucket"),
        ),
        Fault("nucleus closes the connection", rig.bench.server.disconnect_all, _nothing),
    )


def _of_gateway(scene: Scene) -> tuple[Fault, ...]:
    gateway = scene.gateway
    return (
        Fault(
            "S3 slow to answer",
            lambda: gateway.slow_down(_SLOW_SECONDS),
            gateway.speed_up,
            ("no bucket",),
            seconds=8.0,
        ),
        Fault(
            "key that S3 refuses",
            gateway.refuse_one,
            gateway.refuse_none,
            seen=lambda: gateway.accepted_since > 5,
        ),
    )


def _of_sources(scene: Scene) -> tuple[Fault, ...]:
    images, camera, hostile = scene.images, scene.camera, scene.hostile_camera
    broken = (images / "zz_text.jpg", images / "zz_empty.png")

    def write_broken() -> None:
        broken[0].write_text("not an image")
        broken[1].write_bytes(b"")

    def remove_broken() -> None:
        for path in broken:
            path.unlink()

    faults = (
        Fault("camera unplugged", camera.unplug, camera.plug_in, ("no camera",)),
        Fault("camera that sends nothing", camera.freeze, camera.thaw, ("no camera",)),
        Fault("corrupt images", write_broken, remove_broken),
        Fault(
            "hostile HTTP answers",
            lambda: hostile.turn(hostile=True),
            lambda: hostile.turn(hostile=False),
            ("no camera",),
            seen=lambda: len(hostile.answered) > 3,
            seconds=8.0,
        ),
    )
    if scene.rtsp is None:
        return faults
    rtsp = scene.rtsp
    return (*faults, Fault("RTSP server stopped", rtsp.stop, rtsp.start, ("no camera",)))


def _of_configuration(scene: Scene) -> tuple[Fault, ...]:
    rig = scene.rig
    deployed: list[str] = []

    def model() -> str:
        return str(rig.predictions()[-1]["model"]["sha256"])

    def swap() -> None:
        deployed[:] = [model()]
        rig.merge(modelOverride=str(scene.good_model))

    return (
        Fault(
            "bad configuration",
            lambda: rig.merge(topK="many"),
            lambda: rig.merge(topK=5),
            ("bad configuration",),
            restarts=(),
        ),
        Fault(
            "another model",
            swap,
            lambda: rig.merge(modelOverride=None),
            seen=lambda: model() != deployed[0],
        ),
        Fault(
            "damaged model",
            lambda: rig.merge(modelOverride=str(scene.damaged_model)),
            lambda: rig.merge(modelOverride=None),
            ("bad configuration",),
            restarts=(),
        ),
    )


def _of_disk(scene: Scene) -> tuple[Fault, ...]:
    disk, rig = scene.disk, scene.rig
    if disk is None:
        return ()
    filler = Filler(disk.folder / "filler")
    begun: list[int] = []

    def hang() -> None:
        disk.freeze()
        begun[:] = [len(rig.predictions())]

    def predicts() -> bool:
        return len(rig.predictions()) > begun[0] + 20

    return (
        Fault("disk full", filler.begin, filler.end, ("no disk",), restarts=()),
        Fault("disk that hangs", hang, disk.thaw, ("no disk",), predicts, restarts=()),
    )


def _of_clock(scene: Scene) -> tuple[Fault, ...]:
    clock = scene.clock
    if clock is None:
        return ()
    back = lambda: clock.jump(0)  # noqa: E731 (shared by two)
    return (
        Fault("clock a day back", lambda: clock.jump(-_DAY), back),
        Fault("clock ten years on", lambda: clock.jump(10 * _YEAR), back),
    )


def _nothing() -> None:
    return
