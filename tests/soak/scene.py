"""Everything around the component that can be removed, and what this machine lacks."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from local_core.cloud import LocalCloud
from models import store
from tests.component.camera import Camera
from tests.component.conftest import BUCKET, FEEDBACK, MODEL, Rig, running_rig
from tests.disks import Disk, disk
from tests.inference.sources.servers import free_port, require_rtsp_server, rtsp_camera
from tests.soak.clock import Clock
from tests.soak.gateway import Gateway
from tests.soak.hostile import HostileCamera

_DISK = "64M"


class RtspServer:
    """GStreamer's RTSP server as a process, always on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._running = ExitStack()

    def start(self) -> None:
        """Serve."""
        self._running.enter_context(rtsp_camera(self.port))

    def stop(self) -> None:
        """Kill it."""
        self._running.close()


@dataclass
class Scene:
    """The component's rig and what surrounds it; None is missing on this machine."""

    rig: Rig
    images: Path
    camera: Camera
    hostile_camera: HostileCamera
    gateway: Gateway
    good_model: Path
    damaged_model: Path
    rtsp: RtspServer | None = None
    disk: Disk | None = None
    clock: Clock | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    """Why something is missing, by its name."""


@contextmanager
def scene(interval: float) -> Iterator[Scene]:
    """Yield a scene whose component takes a frame every ``interval`` seconds, all as samples."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(_folder()))
        cloud = opened.enter_context(LocalCloud())
        cloud.client("s3").create_bucket(Bucket=BUCKET)
        images = Path(shutil.copytree(CODE_FOLDER / "sample_images", folder / "images"))
        camera = Camera((images / "coffee.jpg").read_bytes())
        camera.plug_in()
        opened.callback(camera.unplug)
        hostile = HostileCamera((images / "chelsea.jpg").read_bytes())
        opened.callback(hostile.close)
        gateway = Gateway(cloud.endpoint)
        opened.callback(gateway.close)
        skipped: dict[str, str] = {}
        own_disk = _disk(folder, skipped, opened)
        work = folder / "work" if own_disk is None else own_disk.folder
        rig = opened.enter_context(running_rig(cloud, work, store.unpacked(MODEL)))
        rig.log = folder / "component.log"  # not on the disk that fills up and hangs
        rig.environment["AWS_ENDPOINT_URL_S3"] = gateway.endpoint
        made = Scene(rig, images, camera, hostile, gateway, *_models(folder), skipped=skipped)
        made.rtsp, made.disk = _rtsp(made, opened), own_disk
        made.clock = _clock(made, folder)
        sources = [
            str(images),
            f"http://127.0.0.1:{camera.port}/stream.mjpg",
            f"snapshot+http://127.0.0.1:{hostile.port}/still.jpg",
        ]
        if made.rtsp is not None:
            sources.append(f"rtsp://127.0.0.1:{made.rtsp.port}/test")
        rig.configure(
            imageSource=json.dumps(sources),
            inferenceInterval=interval,
            messageFormat="envelope",
            feedbackConfiguration=FEEDBACK,
            feedbackRateLimit=0,
        )
        yield made


@contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        (Path(folder) / "work").mkdir()
        yield folder


def _models(folder: Path) -> tuple[Path, Path]:
    """Return a good model with another digest, and a damaged one."""
    good = Path(shutil.copytree(store.unpacked(MODEL), folder / "good"))
    for name in ("SHA256SUMS", "compiled.meta"):
        (good / name).unlink()
    damaged = Path(shutil.copytree(store.unpacked(MODEL), folder / "damaged"))
    (damaged / "compiled.params").write_bytes(b"damaged")
    return good, damaged


def _rtsp(made: Scene, opened: ExitStack) -> RtspServer | None:
    try:
        require_rtsp_server()
    except pytest.skip.Exception as reason:
        made.skipped["RTSP server"] = str(reason)
        return None
    server = RtspServer()
    server.start()
    opened.callback(server.stop)
    return server


def _disk(folder: Path, skipped: dict[str, str], opened: ExitStack) -> Disk | None:
    """Mount a small disk where the component keeps its samples and messages."""
    try:
        return opened.enter_context(disk(folder, _DISK))
    except pytest.skip.Exception as reason:
        skipped["disk"] = str(reason)
        return None


def _clock(made: Scene, folder: Path) -> Clock | None:
    try:
        clock = Clock(folder)
    except OSError as reason:
        made.skipped["clock"] = str(reason)
        return None
    made.rig.environment.update(clock.environment)
    return clock
