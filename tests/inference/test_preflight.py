"""Each known failure of a device names what to install, free or allow."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference.preflight import available_memory, device_fault, explain_import_error, memory_fault


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libGL.so.1", "libgl1"),
        ("libgthread-2.0.so.0", "libglib2.0-0"),
        ("libgomp.so.1", "libgomp1"),
        ("libcudart.so.10.2", "CUDA runtime"),
        ("libOpenCL.so.1", "ocl-icd-libopencl1"),
        ("libsomething.so.3", "the package that holds it"),
    ],
)
def test_a_missing_shared_library_names_its_package(library: str, package: str) -> None:
    text = f"{library}: cannot open shared object file: No such file or directory"
    told = explain_import_error(ImportError(text))
    assert library in told
    assert package in told


def test_a_missing_python_package_is_named_as_pip_knows_it() -> None:
    error = ModuleNotFoundError("No module named 'cv2'", name="cv2")
    assert "pip install opencv-python-headless" in explain_import_error(error)


def test_an_unknown_import_error_is_passed_on_in_one_line() -> None:
    assert explain_import_error(ImportError("odd\nand long")) == "an import failed: odd"


def test_a_component_without_its_packages_or_an_install_ends_with_one_error(tmp_path: Path) -> None:
    """The real component under a Python that has nothing installed, with a short grace time."""
    program = (
        f"import sys; sys.path.insert(0, {str(CODE_FOLDER)!r}); "
        "from inference.serving import installing; installing.GRACE_SECONDS = 0.2; "
        "import component; sys.exit(component.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-S", "-c", program, "run"),
            *("--work", str(tmp_path), "--model", "m", "--profile", "gluoncv-ssd-voc"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    waiting, error = done.stderr.splitlines()
    assert "run waits until install has finished" in waiting
    assert f"the Python environment in {tmp_path} is not complete" in error


def test_too_little_memory_is_reported_before_the_model_is_loaded() -> None:
    assert memory_fault(10 << 20, 100 << 20) is None
    assert memory_fault(10 << 20, None) is None
    told = memory_fault(100 << 20, 200 << 20)
    assert told is not None
    assert "needs about 300 MB of memory, 200 MB are left" in told


def test_memory_is_the_least_of_machine_and_control_group(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable: 1024 kB\n")
    limit = tmp_path / "memory.max"
    assert available_memory(meminfo, limit) == 1 << 20
    limit.write_text("500000\n")
    (tmp_path / "memory.current").write_text("100000\n")
    assert available_memory(meminfo, limit) == 400_000
    limit.write_text("max\n")
    assert available_memory(meminfo, limit) == 1 << 20
    assert available_memory(tmp_path / "none", limit) is None


def test_a_camera_that_is_not_there_is_reported_so_with_those_that_are(tmp_path: Path) -> None:
    told = device_fault(tmp_path / "video0")
    assert told is not None
    assert "is the camera plugged in, and its driver loaded? There is no other video*" in told
    (tmp_path / "video2").touch()
    (tmp_path / "video4").touch()
    told = device_fault(tmp_path / "video0")
    assert told is not None
    assert told.endswith(f"There is {tmp_path}/video2, {tmp_path}/video4")
    assert device_fault(tmp_path / "video2") is None


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, who can be another user")
@pytest.mark.parametrize(
    ("group", "advice"), [(44, "usermod -aG video"), (0, "a udev rule that gives it to video")]
)
def test_a_camera_that_may_not_be_opened_names_the_group(group: int, advice: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        device = Path(folder) / "video0"
        device.touch(0o660)
        os.chown(device, 0, group)
        code = (
            "import grp, os, sys; from pathlib import Path; "
            "from inference.preflight import device_fault; os.setgroups([]); "
            "os.setuid(65534); print(device_fault(Path(sys.argv[1])))"
        )
        command = [sys.executable, "-c", code, str(device)]
        ran = subprocess.run(command, cwd=CODE_FOLDER, capture_output=True, text=True, check=True)
    assert f"{device} may not be opened by this user" in ran.stdout
    assert advice in ran.stdout
