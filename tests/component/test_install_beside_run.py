"""Nucleus lite starts install and run at the same time: real processes, with a small package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference.errors import DeviceError
from inference.serving import installing as module
from inference.serving.installing import installing, is_installing, wait_for_install
from models import store
from tests.archives import packed
from tests.component.conftest import MODEL
from tests.inference.test_environment import write_wheel
from tests.waiting import eventually

pytestmark = pytest.mark.slow

RUN = """
import sys
from pathlib import Path
def run(work, model, profile, *, seed):
    import probe
    unpacked = sorted(path.name for path in Path(work).glob("model-*"))
    print("ran", sys.prefix, probe.VALUE, unpacked, len(list(Path(work).glob(".unpacking-*"))))
"""


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """A Python without packages, as a device's is."""
    folder = tmp_path / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


class Device:
    """The component's code with one small package to install, and a run that only reports."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.code = Path(shutil.copytree(CODE_FOLDER, folder / "code"))
        self.work = folder / "work"
        self._python = python
        (self.code / "requirements.txt").write_text("probe==1.0\n")
        (self.code / "requirements-dlr.txt").write_text("")
        (self.code / "inference" / "component" / "main.py").write_text(RUN)
        write_wheel(self.code / "wheels")
        model = store.unpacked(MODEL)
        self._model = packed(folder / "model", "gztar", model)

    def start(self, step: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(str(self._python), str(self.code / "component.py"), step),
                *("--work", str(self.work), "--model", str(self._model), "--profile", MODEL),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def ended(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def test_run_beside_install_waits_for_environment_and_model(
    tmp_path: Path, bare_python: Path
) -> None:
    device = Device(tmp_path, bare_python)
    run = device.start("run")
    time.sleep(0.3)
    install = device.start("install")
    ended(install)
    output = ended(run)
    [environment] = device.work.glob("venv-*")
    [model] = device.work.glob("model-*")
    assert f"ran {environment} 7 {[model.name]} 0" in output
    assert output.count("run waits until install has finished") == 1
    assert "run waits" not in ended(device.start("run"))


def test_run_without_an_environment_or_install_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)
    with pytest.raises(DeviceError, match="is not complete after 0 s, and no install is running"):
        wait_for_install(tmp_path, lambda: False)


def test_run_ends_when_install_takes_longer_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)
    with installing(tmp_path):
        assert is_installing(tmp_path)
        with pytest.raises(DeviceError, match="install still runs"):
            wait_for_install(tmp_path, lambda: True)
    wait_for_install(tmp_path, lambda: True)


def test_the_lock_of_an_install_that_was_killed_is_free(tmp_path: Path, bare_python: Path) -> None:
    device = Device(tmp_path, bare_python)
    install = device.start("install")
    eventually(lambda: is_installing(device.work))
    install.kill()
    install.communicate()
    eventually(lambda: not is_installing(device.work))
