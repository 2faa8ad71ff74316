"""``mli demo detector``: the demo detector as ONNX, before it is compiled.

TVM's environment has the packages for the conversion, and runs
``python -m mli.demo.detector FILE``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..compile.tvm.packages import WORK
from ..errors import MliError
from ..files import draft_of

if TYPE_CHECKING:
    from ..cli.output import Output

REPOSITORY = Path(__file__).resolve().parents[2]


def write(file: Path, output: Output) -> None:
    """Convert the detector into ``file``, in TVM's environment.

    Raises:
        MliError: if the environment, or the detector's package, is not available.
    """
    from ..compile.tvm import environment

    python = environment.prepared(output)
    command = [str(python), "-m", "mli.demo.detector", str(file.absolute())]
    done = subprocess.run(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise MliError(f"{file} cannot be created: {reason}")


def write_here(file: Path) -> None:
    """Convert the detector into ``file``, atomically.

    Raises:
        MliError: if there is a file with another content.
    """
    from . import ssdlite

    work = WORK.absolute()
    work.mkdir(parents=True, exist_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    save(file, ssdlite.make_onnx(work).read_bytes())


def save(file: Path, content: bytes) -> None:
    """Write a file unless it is there; it may be on another file system than what was made.

    Raises:
        MliError: if it has another content.
    """
    if file.exists():
        if file.read_bytes() != content:
            raise MliError(f"{file} exists with another content: remove it, or name another file")
        return
    with draft_of(file, content, 0o644) as draft:
        draft.replace(file)


if __name__ == "__main__":
    try:
        write_here(Path(sys.argv[1]))
    except MliError as error:
        sys.exit(str(error))
