"""What a device may lack, named together with the package or setting that fixes it.

The cases are those that operators of such systems report most often: a shared library that the
distribution does not install, too little memory for the model, a camera that the component's user
may not open.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping

from .errors import DeviceError, InferenceError, MissingLibraryError

LIBDLR_MISSING = (
    "libdlr.so is neither in the artifact nor beside the dlr package: compile the model with "
    "SageMaker Neo, which puts it into the artifact, or install dlr 1.6.0 on x86-64"
)

_LIBRARIES: Mapping[str, str] = {
    "libGL.so.1": "apt-get install libgl1, or use opencv-python-headless",
    "libgthread-2.0.so.0": "apt-get install libglib2.0-0",
    "libglib-2.0.so.0": "apt-get install libglib2.0-0",
    "libgomp.so.1": "apt-get install libgomp1",
    "libgfortran.so.5": "apt-get install libgfortran5",
    "libopenblas.so.0": "apt-get install libopenblas0",
    "libatlas.so.3": "apt-get install libatlas3-base",
    "libSM.so.6": "apt-get install libsm6, or use opencv-python-headless",
    "libXext.so.6": "apt-get install libxext6, or use opencv-python-headless",
    "libXrender.so.1": "apt-get install libxrender1, or use opencv-python-headless",
    "libcudart.so": "install the CUDA runtime of the release for which the model was compiled",
    "libnvinfer.so": "install TensorRT of the release for which the model was compiled",
    "libOpenCL.so.1": "apt-get install ocl-icd-libopencl1 and the board's OpenCL driver",
    "libdlr.so": "compile the model with SageMaker Neo, which puts libdlr.so into the artifact",
}
_PACKAGES: Mapping[str, str] = {
    "av": "av",
    "cv2": "opencv-python-headless",
    "awsiot": "awsiotsdk",
    "awscrt": "awscrt",
    "boto3": "boto3",
    "dlr": "dlr",
    "greengrasssdk": "greengrasssdk",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
}
_SHARED_LIBRARY = re.compile(r"(lib[\w.+-]{1,99}?\.so(?:\.\d+)*)")
_MODEL_MEMORY_FACTOR = 3
"""An engine holds the file's parameters, a copy of them in its own layout, and the activations."""


@contextmanager
def explained_errors() -> Iterator[None]:
    """Raise what a device lacks as an error of our own, so that a program catches one class.

    Raises:
        MissingLibraryError: in place of an ``ImportError``, with what to install.
        DeviceError: in place of an ``OSError``.
    """
    try:
        yield
    except InferenceError:
        raise
    except ImportError as error:
        raise MissingLibraryError(explain_import_error(error)) from None
    except OSError as error:
        raise DeviceError(str(error)) from None


def explain_import_error(error: ImportError) -> str:
    """Return in one line what could not be imported and what to install."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    found = _SHARED_LIBRARY.search(text)
    if found:
        library = found.group(1)
        for name, advice in _LIBRARIES.items():
            if library.startswith(name):
                return f"the shared library {library} is missing: {advice}"
        return f"the shared library {library} is missing: install the package that holds it"
    module = (error.name or "").partition(".")[0]
    package = _PACKAGES.get(module)
    if package is not None:
        return f"the Python package {package} is missing ({text}): pip install {package}"
    return f"an import failed: {text}"


def memory_fault(model_bytes: int, available: int | None) -> str | None:
    """Return why a model of ``model_bytes`` does not fit into ``available`` memory, or None."""
    needed = model_bytes * _MODEL_MEMORY_FACTOR
    if available is None or available >= needed:
        return None
    return (
        f"the model needs about {needed >> 20} MB of memory, {available >> 20} MB are left: free "
        "memory, raise the component's or function's memory limit, or use a smaller model"
    )


def available_memory(
    meminfo: Path = Path("/proc/meminfo"), limit: Path = Path("/sys/fs/cgroup/memory.max")
) -> int | None:
    """Return the bytes that this process may still allocate, or None if Linux does not say."""
    found: list[int] = []
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) << 10)
    except (OSError, ValueError, IndexError):
        pass
    try:
        used = int(limit.with_name("memory.current").read_text())
        found.append(max(0, int(limit.read_text()) - used))
    except (OSError, ValueError):
        pass  # no limit, which reads "max", or no control groups
    return min(found) if found else None


def device_fault(path: Path) -> str | None:
    """Return why this process cannot open a device such as ``/dev/video0``, or None."""
    if not os.path.exists(path):  # noqa: PTH110 (pathlib's raises behind a closed folder)
        alike = path.name.rstrip("0123456789") or path.name
        others = sorted(str(other) for other in path.parent.glob(f"{alike}*"))
        there = ", ".join(others[:8]) or f"no other {alike}*"
        return (
            f"{path} does not exist: is the camera plugged in, and its driver loaded? "
            f"There is {there}"
        )
    if os.access(str(path), os.R_OK | os.W_OK):
        return None
    try:
        group = path.group()
    except (KeyError, OSError):
        group = "video"
    if group == "root":  # which nobody should be put into
        return f"{path} may not be opened by this user: make a udev rule that gives it to video"
    return (
        f"{path} may not be opened by this user: usermod -aG {group} <the component's user>, and "
        "restart the nucleus"
    )
