"""``mli infer`` as a user runs it: a process, its two streams, its exit status."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from onnx import helper

from models import store
from tests.archives import packed
from tests.inference.sources.servers import jpeg, multipart, needs_ffmpeg, tcp_server
from tests.inference.tiny_onnx import INPUT, mean_of_channels, model_of, save, write_colours_profile

pytestmark = pytest.mark.usefixtures("forked")

REPOSITORY = Path(__file__).parents[3]
CLASSIFIER = "efficientnet-lite0-imagenet"
DETECTOR = "ssdlite-mobilenet-v2-coco"

# Fields of cyan, magenta, yellow and black, as an Adobe CMYK JPEG; OpenCV writes none.
CMYK_JPEG = Path(__file__).with_name("cmyk.jpg")


def infer(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mli", "infer", *(str(a) for a in arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def payloads(done: subprocess.CompletedProcess[str]) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(*arguments: object) -> str:
    """Return the one line, the last on stderr, with which a run is refused."""
    done = infer(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("infer: ")] == lines[-1:]
    return lines[-1]


def arguments(images: object, model: object = None, profile: object = CLASSIFIER) -> list[object]:
    folder = store.unpacked(CLASSIFIER) if model is None else model
    return ["--model", folder, "--profile", profile, "--images", images]


@pytest.fixture
def mixed_folder(tmp_path: Path, photographs: Path) -> Path:
    """A folder as users have them: odd but readable images among files that are not images."""
    folder = tmp_path / "images"
    folder.mkdir()
    coffee = cv2.imread(str(photographs / "coffee.jpg"))
    assert coffee is not None
    data = (photographs / "coffee.jpg").read_bytes()
    (folder / "a_text.jpg").write_text("I am not an image\n")
    (folder / "b_truncated.jpg").write_bytes(data[: len(data) // 2])
    opaque = np.dstack([coffee, np.full(coffee.shape[:2], 255, np.uint8)])
    for name, image in {
        "c_one_pixel.png": coffee[:1, :1],
        "d_sixteen_bits.png": coffee.astype(np.uint16) * 257,
        "e_grey.png": cv2.cvtColor(coffee, cv2.COLOR_BGR2GRAY),
        "f_opaque.png": opaque,
        "h_plain.png": coffee,
    }.items():
        cv2.imwrite(str(folder / name), image)
    shutil.copy(CMYK_JPEG, folder / "g_cmyk.jpg")
    return folder


def test_a_folder_gives_a_line_a_readable_image_and_names_the_others(mixed_folder: Path) -> None:
    done = infer(*arguments(mixed_folder))
    assert done.returncode == 0
    lines = payloads(done)
    assert len(lines) == 6
    assert "a_text.jpg" in done.stderr
    assert "b_truncated.jpg" in done.stderr
    assert "8 frames: 6 predicted, 2 failed" in done.stderr
    _, sixteen, _, opaque, _, plain = lines
    assert sixteen == opaque == plain
    assert plain[0]["prediction"] == "n07920052 espresso"


def test_both_models_name_what_is_in_the_photographs(photographs: Path) -> None:
    detector = arguments(photographs, store.unpacked(DETECTOR), DETECTOR)
    astronaut, camera, chelsea, coffee = payloads(infer(*detector))
    assert "person" in [item["prediction"] for item in astronaut]
    assert camera[0]["prediction"] == "person"
    assert chelsea[0]["prediction"] == "cat"
    assert {"cup", "dining table"} <= {item["prediction"] for item in coffee}
    *_, chelsea, coffee = payloads(infer(*arguments(photographs)))
    assert chelsea[0]["prediction"].split(" ", 1)[1] in {
        *("tiger cat", "Egyptian cat", "tabby, tabby cat")
    }
    assert coffee[0]["prediction"].endswith("espresso")


def test_log_names_each_photograph_before_its_line(photographs: Path) -> None:
    done = infer(*arguments(photographs / "c*.jpg"))
    assert len(payloads(done)) == 3
    named = [line.rpartition("/")[2] for line in done.stderr.splitlines() if "infer frame " in line]
    assert named == ["camera.jpg", "chelsea.jpg", "coffee.jpg"]


def test_frames_go_round_and_the_envelope_numbers_them(photographs: Path) -> None:
    done = infer(*arguments(photographs / "c*.jpg"), "--frames", 5, "--message-format", "envelope")
    names = [Path(line["frame"]["source"]).stem for line in payloads(done)]
    assert names == ["camera", "chelsea", "coffee", "camera", "chelsea"]
    assert [line["frame"]["id"] for line in payloads(done)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("pack", ["gztar", "zip"])
def test_an_archive_predicts_what_its_folder_does(
    tmp_path: Path, photographs: Path, pack: str
) -> None:
    archive = packed(tmp_path / "model", pack, store.unpacked(CLASSIFIER))
    images = photographs / "coffee.jpg"
    assert infer(*arguments(images, archive)).stdout == infer(*arguments(images)).stdout


def test_the_packed_demo_model_is_unpacked_by_itself(photographs: Path) -> None:
    done = infer(*arguments(photographs / "coffee.jpg", REPOSITORY / "models" / CLASSIFIER))
    assert done.returncode == 0
    assert len(payloads(done)) == 1


def test_without_digests_a_sound_model_still_predicts(tmp_path: Path, photographs: Path) -> None:
    model = Path(shutil.copytree(store.unpacked(CLASSIFIER), tmp_path / "model"))
    (model / "SHA256SUMS").unlink()
    assert len(payloads(infer(*arguments(photographs / "coffee.jpg", model)))) == 1


def test_a_library_damaged_where_no_check_sees_it_is_one_line(
    tmp_path: Path, photographs: Path
) -> None:
    model = Path(shutil.copytree(store.unpacked(CLASSIFIER), tmp_path / "model"))
    (model / "SHA256SUMS").unlink()
    library = model / "compiled.so"
    data = library.read_bytes()
    middle = len(data) // 4
    library.write_bytes(data[:middle] + bytes(len(data) // 2) + data[middle + len(data) // 2 :])
    assert str(model) in refused(*arguments(photographs, model))


def test_bad_values_are_named_in_one_line(tmp_path: Path, photographs: Path) -> None:
    assert "'none.tar.gz'" in refused(*arguments(photographs, "none.tar.gz"))
    without_profile = refused("--model", "none.tar.gz", "--images", photographs)
    assert "--model='none.tar.gz': there is no such file or folder" in without_profile
    assert "modelProfile='coco': must be one of" in refused(*arguments(photographs, profile="coco"))
    said = refused(*arguments(photographs, profile="x/none.json"))
    assert said == "infer: modelProfile='x/none.json': there is no such file"
    assert "imageSource='none'" in refused(*arguments("none"))
    assert "is it the profile" in refused(*arguments(photographs, profile=DETECTOR))
    (tmp_path / "bad.jpg").write_text("no")
    assert "none of 1 could be read" in refused(*arguments(tmp_path))


def test_images_without_a_usable_output_are_not_said_to_be_unreadable(
    tmp_path: Path, photographs: Path
) -> None:
    profiles = REPOSITORY / "edge_functions" / "dlr_inference" / "inference" / "profiles"
    values = json.loads((profiles / f"{DETECTOR}.json").read_text())
    labels = (profiles / values["labels"]).read_text().splitlines()[:10]  # neither cup nor table
    (tmp_path / "short.txt").write_text("\n".join(labels))
    path = tmp_path / "short.json"
    path.write_text(json.dumps({**values, "labels": "short.txt"}))
    coffee = photographs / "coffee.jpg"
    line = refused(*arguments(coffee, store.unpacked(DETECTOR), path))
    assert "coffee.jpg: none of 1 could be predicted: " in line
    assert "labels" in line


def test_a_missing_label_is_named(tmp_path: Path, photographs: Path) -> None:
    profiles = REPOSITORY / "edge_functions" / "dlr_inference" / "inference" / "profiles"
    values = json.loads((profiles / f"{CLASSIFIER}.json").read_text())
    labels = (profiles / values["labels"]).read_text().splitlines()[:-1]
    (tmp_path / "short.txt").write_text("\n".join(labels))
    path = tmp_path / "short.json"
    path.write_text(json.dumps({**values, "labels": "short.txt"}))
    assert "has 1000 classes, its labels have 999" in refused(*arguments(photographs, profile=path))


def test_sigterm_ends_with_whole_lines_and_status_zero(photographs: Path) -> None:
    command = [sys.executable, "-m", "mli", "infer", *map(str, arguments(photographs))]
    with subprocess.Popen(
        [*command, "--frames", "100000"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        rest = process.stdout.read()
    assert process.returncode == 0
    assert rest == "" or rest.endswith("]\n")


def test_lines_that_cannot_be_written_end_the_run_with_status_one(photographs: Path) -> None:
    """Such as on a full disk, or when the reader has ended."""
    command = [sys.executable, "-m", "mli", "infer", *map(str, arguments(photographs))]
    endless = [*command, "--frames", "100000"]
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    for stdout, reason in ((full, "No space left on device"), (writer, "Broken pipe")):
        with subprocess.Popen(
            endless, cwd=REPOSITORY, stdout=stdout, stderr=subprocess.PIPE, text=True
        ) as process:
            _, said = process.communicate(timeout=60)
        os.close(stdout)
        assert process.returncode == 1
        assert said.splitlines()[-1] == f"infer: the standard output: {reason}"


def test_frames_of_a_stream_end_with_status_zero() -> None:
    def serve(connection: socket.socket) -> None:
        multipart(connection, [jpeg(90)] * 2000)

    with tcp_server(serve) as port:
        done = infer(*arguments(f"http://127.0.0.1:{port}/"), "--frames", 3)
    assert (done.returncode, len(payloads(done))) == (0, 3)


def test_sigterm_while_a_stream_is_silent_ends_with_status_zero() -> None:
    released = threading.Event()

    def serve(connection: socket.socket) -> None:
        multipart(connection, [jpeg(90)] * 50)
        released.wait(30)

    command = [sys.executable, "-m", "mli", "infer", "--frames", "100000"]
    with (
        tcp_server(serve) as port,
        subprocess.Popen(
            [*command, *map(str, arguments(f"http://127.0.0.1:{port}/"))],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        _, said = process.communicate(timeout=10)
        released.set()
    assert process.returncode == 0, said


@needs_ffmpeg
def test_a_video_without_pictures_ends_with_its_reason(tmp_path: Path) -> None:
    sound, damaged = tmp_path / "sound.mp4", tmp_path / "damaged.ts"
    for source, video in {
        "sine=duration=1": sound,
        "testsrc=size=64x64:duration=1": damaged,
    }.items():
        command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", source, str(video)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    data = bytearray(damaged.read_bytes())
    data[188 * 4 :: 188] = bytes(len(data[188 * 4 :: 188]))  # no packet is one any more
    damaged.write_bytes(data)
    for video in (sound, damaged):
        assert "no frame came: it is not a video" in refused(*arguments(video))


@needs_ffmpeg
def test_a_video_in_av1_is_predicted(tmp_path: Path) -> None:
    video = tmp_path / "av1.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1"]
    command = ["ffmpeg", "-loglevel", "error", *source, "-c:v", "libsvtav1", str(video)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert "5 predicted" in infer(*arguments(video)).stderr


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A bare ONNX model, and its profile where it is looked for."""
    model = save(mean_of_channels(["batch", 3, "height", "width"]), tmp_path / "colours.onnx")
    write_colours_profile(tmp_path / "colours-profile", "profile.json", 0.5, 1)
    return model


def test_a_bare_onnx_file_predicts(colours: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "blue.png"), np.full((40, 60, 3), (255, 0, 0), np.uint8))
    done = infer("--model", colours, "--images", tmp_path / "blue.png")
    assert done.returncode == 0, done.stderr
    [[prediction]] = payloads(done)
    assert prediction["prediction"] == "blue"
    # exp(1) / (exp(1) + 2)
    assert float(prediction["confidence"]) == pytest.approx(0.5761, abs=1e-3)
    assert "ONNX Runtime" in done.stderr


def test_each_of_many_files_that_are_no_images_is_named(colours: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "blue.png"), np.full((40, 60, 3), (255, 0, 0), np.uint8))
    names = [f"{number}.jpg" for number in range(20)]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    done = infer("--model", colours, "--images", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [name for name in names if f"/{name}: the file is empty" not in done.stderr] == []
    assert "21 frames: 1 predicted, 20 failed" in done.stderr


@pytest.mark.parametrize("opset", [17, 23])
def test_a_model_that_not_every_device_runs_says_so(
    colours: Path, tmp_path: Path, opset: int
) -> None:
    node = helper.make_node("GlobalAveragePool", [INPUT], ["scores"])
    save(model_of([node], opset=opset), colours)
    cv2.imwrite(str(tmp_path / "blue.png"), np.full((8, 8, 3), (255, 0, 0), np.uint8))
    done = infer("--model", colours, "--images", tmp_path / "blue.png")
    assert done.returncode == 0, done.stderr
    warning = (
        "WARNING infer the model runs on devices with Python 3.10 or newer only: it is of opset 23"
    )
    assert (warning in done.stderr) == (opset > 21)


def test_a_refused_onnx_file_is_named_as_it_was_given(colours: Path, photographs: Path) -> None:
    colours.write_bytes(colours.read_bytes()[:60])
    line = refused("--model", colours, "--images", photographs)
    assert line.startswith(f"infer: model file {colours}: ONNX Runtime ")
    assert line.endswith("it is truncated or not an ONNX model (60 bytes): copy it again")


def test_annotated_frames_are_files(tmp_path: Path, photographs: Path) -> None:
    folder = tmp_path / "new" / "annotated"
    done = infer(*arguments(photographs), "--annotate", folder)
    assert done.returncode == 0, done.stderr
    names = [f"{n:06d}-{p.stem}.jpg" for n, p in enumerate(sorted(photographs.glob("*.jpg")), 1)]
    assert sorted(path.name for path in folder.iterdir()) == names
    original = cv2.imread(str(photographs / "coffee.jpg"))
    painted = cv2.imread(str(folder / "000004-coffee.jpg"))
    assert painted.shape == original.shape
    assert np.abs(painted.astype(int) - original).max() > 100


def test_a_folder_for_annotated_frames_that_cannot_be_created(
    tmp_path: Path, photographs: Path
) -> None:
    (tmp_path / "file").write_text("")
    line = refused(*arguments(photographs), "--annotate", tmp_path / "file" / "folder")
    assert line.startswith("infer: ")
    assert "--annotate" in line
    assert "cannot be created" in line
