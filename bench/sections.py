"""What ``make bench`` measures, one function per section of its table."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import synth
from bench.peer import (
    Command,
    Peer,
    in_turns,
    load_seconds,
    module,
    of_starts,
    processor_shares,
    start_seconds,
    steady_bytes,
)
from bench.ratio import Ratio, ratio, spread
from bench.report import Row, at_least, at_most
from inference.model.profiles.profile import load_profile
from models import store

CLASSIFIER = "efficientnet-lite0-imagenet"
DETECTOR = "ssdlite-mobilenet-v2-coco"
ONNX_DETECTOR = f"{DETECTOR}-onnx"
FPS_TARGETS = {CLASSIFIER: 0.88, DETECTOR: 0.95, ONNX_DETECTOR: 0.95}
_TAIL_CALLS = 50
PICTURE_SECONDS = 5
"""Seconds between two predictions of a core that watches slowly, the default interval."""


@dataclass(frozen=True)
class Effort:
    """How often everything is measured."""

    pairs: int
    starts: int
    syntheses: int
    threads: Sequence[int]
    seconds: float
    """Seconds for which the processor time of cameras is measured."""
    cameras: Sequence[int]
    kinds: Sequence[str]


QUICK = Effort(4, 2, 1, (1,), 5.0, (1, 16), ("h264",))
WHOLE = Effort(15, 7, 5, (1, 2), 20.0, (1, 2, 4, 8, 16), ("h264", "mjpeg", "files"))


def engine(name: str) -> str:
    """Return the engine of a demo model."""
    return "onnxruntime" if name.endswith("-onnx") else "dlr"


def ours(name: str, image: Path, interval: float = 0) -> Command:
    """Return the command of the component's own way from the images beside one to messages."""
    return module("predict", store.unpacked(name), name, image.parent, interval)


def bare(name: str, *modules: str) -> Command:
    """Return the command that runs the bare engine on a ready input."""
    return module("bare", *_model(name), *modules)


def _model(name: str) -> list[str]:
    spec = load_profile(name).input
    shape = ",".join(map(str, spec.shape))
    return [engine(name), str(store.unpacked(name)), spec.name, shape]


def frames(name: str, image: Path, threads: int, effort: Effort) -> Iterator[Row]:
    """Whole frames, starts and memory of a demo model, over the bare engine with OpenCV."""
    section = f"{name} by {engine(name)}, {_threads(threads)}"
    timed, every = in_turns(
        ours(name, image), bare(name, "cv2"), threads=threads, pairs=effort.pairs
    )
    yield Row(
        section,
        "frames per second, from JPEG to message / bare",
        ratio(timed).inverse,
        _milliseconds([first for first, _ in timed]),
        at_least(FPS_TARGETS[name]),
    )
    yield Row(section, "slowest of fifty frames / median", _tail(every), "", at_most(1.5))
    seed = module("seed", *_model(name), image)
    timed, _ = in_turns(ours(name, image), seed, threads=threads, pairs=effort.pairs)
    yield Row(section, "frames per second / a first script's", ratio(timed).inverse)
    pairs = of_starts(
        ours(name, image),
        bare(name, "cv2"),
        start_seconds,
        threads=threads,
        pairs=effort.starts,
    )
    yield Row(
        section,
        "start to first prediction / bare",
        ratio(pairs),
        _milliseconds([first for first, _ in pairs]),
        at_most(1.25),
    )
    pairs = of_starts(ours(name, image), bare(name, "cv2"), steady_bytes, threads=threads, pairs=2)
    yield Row(
        section,
        "resident memory / bare",
        ratio(pairs),
        _megabytes([first for first, _ in pairs]),
        at_most(1.15),
    )


def engines(threads: int, effort: Effort) -> Iterator[Row]:
    """The same network by both engines, each in a process of its own."""
    section = f"{DETECTOR}: dlr / onnxruntime, {_threads(threads)}"
    dlr, ort = bare(DETECTOR), bare(ONNX_DETECTOR)
    timed, _ = in_turns(dlr, ort, threads=threads, pairs=effort.pairs)
    yield Row(section, "time per run", ratio(timed), _milliseconds([one for one, _ in timed]))
    figures = {
        "time to load": load_seconds,
        "start to first run": start_seconds,
        "resident memory": steady_bytes,
    }
    for name, figure in figures.items():
        pairs = of_starts(dlr, ort, figure, threads=threads, pairs=effort.starts)
        ours_first = [first for first, _ in pairs]
        text = _megabytes(ours_first) if figure is steady_bytes else _milliseconds(ours_first)
        yield Row(section, name, ratio(pairs), text)


def rest(name: str, image: Path, effort: Effort) -> tuple[list[Row], Mapping[str, float]]:
    """The rest of a frame over OpenCV alone; and the milliseconds of each stage."""
    found = _child("rest", name, image, effort.pairs)
    section = f"{name}: a frame without its model / decode, resize and normalise by OpenCV"
    rows = [
        Row(section, "JPEG decoded at reduced scale", Ratio(**found["reduced"]), "", at_most(1.2)),
        Row(section, "the same, at the profile's threshold", Ratio(**found["usual"])),
        Row(section, "JPEG decoded whole", Ratio(**found["full"])),
    ]
    return rows, found["stages"]


def decoders(effort: Effort) -> Iterator[Row]:
    """The decoding of raw heads, and what each further box costs."""
    found = _child("decoders", effort.pairs)
    for section, rows in found.items():
        for name, row in rows.items():
            yield Row(section, name, Ratio(**row["ratio"]), f"{row['milliseconds']:.3f} ms")


def sending(image: Path, effort: Effort) -> Iterator[Row]:
    """Whole frames with full queues, over those whose messages are sent at once."""
    name = ONNX_DETECTOR  # the fastest: of its frames, the rest is the largest part
    command = partial(module, "sending", store.unpacked(name), name, image.parent)
    for way, title in (
        ("offline", "the broker down, its queue full"),
        ("feedback", "feedback on, the bucket down, its queue full"),
    ):
        timed, _ = in_turns(command(way), command("online"), threads=1, pairs=effort.pairs)
        yield Row(f"frames per second of {name} / online", title, ratio(timed).inverse)


def cameras(image: Path, effort: Effort) -> Iterator[Row]:
    """The processor that sources use at a picture every five seconds from each, without a model."""
    section = f"share of a processor, a picture every {PICTURE_SECONDS} s from each source"
    targets = {("h264", 1): at_most(0.02), ("h264", 16): at_most(0.30)}
    for kind in effort.kinds:
        with _sources(kind, image) as name:
            for count in effort.cameras:
                share = _share("ours", [name(index) for index in range(count)], effort.seconds)
                row = f"{count} × {kind}{'' if kind == 'files' else ', 720p, 25 per second'}"
                yield Row(section, row, spread([share]), "", targets.get((kind, count)))
                if count == 1 and kind != "files":
                    theirs = _share("opencv", [name(0)], effort.seconds)
                    yield Row(section, f"1 × {kind} / OpenCV's capture", spread([share / theirs]))


def idle(image: Path, effort: Effort) -> Iterator[Row]:
    """The processor that a core uses that predicts an image file every five seconds."""
    names = store.demo_models()
    with ExitStack() as stack:
        commands = [ours(name, image, PICTURE_SECONDS) for name in names]
        peers = [stack.enter_context(Peer(command, 1)) for command in commands]
        processor_shares(peers, PICTURE_SECONDS)
        shares = processor_shares(peers, max(effort.seconds, 2 * PICTURE_SECONDS))
    section = f"share of a processor, a prediction every {PICTURE_SECONDS} s from files"
    for name, share in zip(names, shares, strict=True):
        yield Row(section, name, spread([share]), "", at_most(0.01))


def synthesis(effort: Effort) -> Iterator[Row]:
    """The synthesis of a core, and the code that its device downloads."""
    section = "cdk synth"
    pairs = [synth.synth_seconds() for _ in range(effort.syntheses)]
    yield Row(
        section,
        "time / an empty app's",
        ratio(pairs),
        _milliseconds([first for first, _ in pairs]),
        at_most(1.3),
    )
    size = synth.code_bytes()
    yield Row(
        section,
        "code for the device / 300 kB",
        spread([size / 300_000]),
        f"{size / 1e3:.0f} kB",
        at_most(1.0),
    )


@contextmanager
def _sources(kind: str, image: Path) -> Iterator[Any]:
    """Serve cameras of a kind, and yield what names the one of a number."""
    if kind == "files":
        yield lambda index: str(image.with_name(f"{index}-{image.name}"))
        return
    with subprocess.Popen(module("cameras", kind, image), stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        yield lambda index: f"http://127.0.0.1:{port}/{index}"
        server.kill()


def _share(way: str, sources: list[str], seconds: float) -> float:
    """Return the share of a processor that taking their pictures uses, once all have begun."""
    for source in sources:
        if source.startswith("/"):
            path = Path(source)
            original = path.with_name(path.name.partition("-")[2])
            path.write_bytes(original.read_bytes())
    with Peer(module("watching", way, PICTURE_SECONDS, *sources), 1) as peer:
        processor_shares([peer], PICTURE_SECONDS)  # until it knows the distance of key frames
        return processor_shares([peer], seconds)[0]


def _child(name: str, *arguments: object) -> Any:
    done = subprocess.run(
        module(name, *arguments),
        env={**os.environ, "TVM_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(done.stdout)


def _tail(seconds: Sequence[float]) -> Ratio:
    """Return the slowest call over the median, of each fifty calls, or of all if they are fewer."""
    count = min(_TAIL_CALLS, len(seconds))
    parts = [seconds[start : start + count] for start in range(0, len(seconds) - count + 1, count)]
    return spread([max(one) / statistics.median(one) for one in parts])


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.1f} ms"


def _megabytes(size: Sequence[float]) -> str:
    return f"{statistics.median(size) / 1e6:.0f} MB"
