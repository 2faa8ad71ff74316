"""The processors that models are compiled for on this machine."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

_AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@dataclass(frozen=True)
class Target:
    """A processor family: its LLVM target, and the cross linker if it needs one."""

    name: str
    llvm: str
    device: str
    """Its name in ``compiled.meta``."""
    cpu_flags: frozenset[str] = frozenset()
    linker: str = ""
    linker_package: str = ""
    """Debian package of the linker."""

    def runs_here(self) -> bool:
        """Return whether the processor of this machine runs what is compiled for the target."""
        if self.linker or platform.machine() != "x86_64":
            return False
        return self.cpu_flags <= _flags()


X86_64 = Target(
    "x86-64",
    "llvm -mtriple=x86_64-linux-gnu -mcpu=core-avx2",
    "CORE_AVX2",
    frozenset({"avx2", "fma"}),
)
"""Every x86-64 CPU with AVX2; three times the speed of plain x86-64."""

TARGETS = {
    target.name: target
    for target in (
        X86_64,
        Target(
            "x86-64-avx512",
            "llvm -mtriple=x86_64-linux-gnu -mcpu=skylake-avx512",
            "SKYLAKE_AVX512",
            X86_64.cpu_flags | _AVX512,
        ),
        Target(
            "aarch64",
            "llvm -mtriple=aarch64-linux-gnu -mattr=+neon",
            "AARCH64",
            linker="aarch64-linux-gnu-g++",
            linker_package="g++-aarch64-linux-gnu",
        ),
    )
}


def _flags() -> frozenset[str]:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
