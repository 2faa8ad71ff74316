"""A clock that jumps for some processes only: a library in front of the C library's clock."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile long long *seconds;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
    real = dlsym(RTLD_NEXT, "clock_gettime");
    seconds = mmap(0, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME && seconds && seconds != MAP_FAILED) now->tv_sec += *seconds;
    return result;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

/* As the kernel does: until the clock, which may jump meanwhile, shows the deadline. */
int sem_timedwait(sem_t *semaphore, const struct timespec *deadline) {
    int (*wait)(sem_t *, const struct timespec *) = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec now;
    while (clock_gettime(CLOCK_REALTIME, &now),
           now.tv_sec < deadline->tv_sec ||
               (now.tv_sec == deadline->tv_sec && now.tv_nsec < deadline->tv_nsec)) {
        real(CLOCK_REALTIME, &now);
        now.tv_nsec += 20000000;
        now.tv_sec += now.tv_nsec / 1000000000;
        now.tv_nsec %= 1000000000;
        if (wait(semaphore, &now) == 0) return 0;
        if (errno != ETIMEDOUT) return -1;
    }
    if (sem_trywait(semaphore) == 0) return 0;
    errno = ETIMEDOUT;
    return -1;
}
"""


class Clock:
    """The date for processes with ``environment``; their monotonic clocks are unchanged."""

    def __init__(self, folder: Path) -> None:
        """Build the library.

        Raises:
            OSError: if there is no C compiler.
        """
        compiler = shutil.which("cc")
        if compiler is None:
            raise OSError("needs a C compiler: apt-get install gcc libc6-dev")
        library, source = folder / "clock.so", folder / "clock.c"
        source.write_text(_SOURCE)
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True)
        self._offset = folder / "clock.offset"
        self._offset.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._offset)}

    def jump(self, seconds: int) -> None:
        """Set the date this many seconds away from the true one; 0 resets it."""
        with self._offset.open("r+b", buffering=0) as stream:
            stream.write(struct.pack("q", seconds))
