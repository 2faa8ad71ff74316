"""The end of a process in which a camera's thread is still busy."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from edge_functions import CODE_FOLDER
from tests.component.camera import Camera

READER = """
import sys, threading, time, types, cv2
from inference.stopping import end_process

class Slow:  # so that the camera answers while Python ends
    def __del__(self, sleep=time.sleep):
        sleep(3)

def read():
    capture = cv2.VideoCapture(sys.argv[1])
    while True:
        capture.read()
        frames.append(1)

sys.modules["slow"] = types.ModuleType("slow")
sys.modules["slow"].one = Slow()
frames = []
threading.Thread(target=read, name="capture camera", daemon=True).start()
while len(frames) < 3:
    time.sleep(0.05)
print("reads", flush=True)
sys.stdin.readline()
print("ends", flush=True)
end_process(3)
"""


def test_a_camera_that_answers_while_the_process_ends_does_not_abort_it(photographs: Path) -> None:
    camera = Camera((photographs / "coffee.jpg").read_bytes())
    camera.plug_in()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", READER, f"http://127.0.0.1:{camera.port}/x.mjpg"],
            cwd=CODE_FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "reads\n"
            camera.freeze()
            time.sleep(0.5)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ends\n"
            time.sleep(0.5)
            camera.thaw()
            assert process.wait(20) == 3
    finally:
        camera.unplug()
