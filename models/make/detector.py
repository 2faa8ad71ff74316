"""``python -m models.make.detector FILE``: the demo detector as ONNX, before it is compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from models.make.packages import WORK

REPOSITORY = Path(__file__).resolve().parents[2]


def write(file: Path) -> None:
    """Convert the detector into ``file``, in TVM's environment, which has what that needs.

    Raises:
        ToolError: if the environment, or the detector's package, cannot be had.
    """
    from tools.output import Output, ToolError
    from tools.tvm import environment

    python = environment.prepared(Output(as_json=False))
    command = [str(python), "-m", "models.make.detector", "--here", str(file.absolute())]
    done = subprocess.run(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise ToolError(f"{file} cannot be made: {reason}")
    print(f"{file}: SSDLite-MobileNetV2, trained on COCO ({file.stat().st_size / 1e6:.0f} MB)")


def write_here(file: Path) -> None:
    """Convert the detector into ``file``, which appears whole or not at all."""
    from models.make import ssdlite

    work = WORK.absolute()
    work.mkdir(parents=True, exist_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    ssdlite.make_onnx(work).replace(file)


def main() -> None:
    """Write the file that the command line names; a fault is one line."""
    *options, path = sys.argv[1:]
    try:
        (write_here if options else write)(Path(path))
    except RuntimeError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
