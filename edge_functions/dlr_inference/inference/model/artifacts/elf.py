"""Headers of shared libraries in the Executable and Linkable Format (ELF).

https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelError

_MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_HEADER_BYTES = 64
_INTERPRETER = Path("/proc/self/exe")


@dataclass(frozen=True)
class ElfHeader:
    """What a header says: the machine, by the name that ``uname -m`` has for it, and the size.

    ``size`` is where the section headers end, which linkers put last: a shorter file is truncated.
    """

    machine: str
    size: int


def machine_of_python() -> str:
    """Return the machine that this interpreter is built for, by the name in ELF headers.

    A kernel of 64 bits may run a system of 32, whose processes load libraries of 32 bits; ``uname``
    names the kernel's.
    """
    try:
        return read_elf_header(_INTERPRETER).machine
    except (ModelError, OSError):
        return platform.machine()


def read_elf_header(library: Path) -> ElfHeader:
    """Read the header of a shared library.

    Raises:
        ModelError: if the file has none.
    """
    with library.open("rb") as stream:
        header = stream.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or header[:4] != b"\x7fELF":
        raise ModelError(f"model file {library}: is not a shared library (no ELF header)")
    is_64_bit, order = header[4] == 2, "<" if header[5] == 1 else ">"
    number = struct.unpack_from(order + "H", header, 18)[0]
    table = struct.unpack_from(order + ("Q" if is_64_bit else "I"), header, 40 if is_64_bit else 32)
    entry, count = struct.unpack_from(order + "HH", header, 58 if is_64_bit else 46)
    return ElfHeader(_MACHINES.get(number, f"ELF machine {number}"), table[0] + entry * count)
