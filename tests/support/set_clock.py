"""A wall clock that a test can set, for one program: what it is told, nobody else notices."""

from __future__ import annotations

import mmap
import struct
import subprocess
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *offset_s;

__attribute__((constructor)) static void begin(void)
{
    static const long long none;
    int fd = open(getenv("SET_CLOCK"), O_RDONLY);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, fd, 0);
    offset_s = page == MAP_FAILED ? &none : page;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME && offset_s) {
        now->tv_sec += *offset_s;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) {
        *now = precise.tv_sec;
    }
    return precise.tv_sec;
}
"""


class SetClock:
    """`env` for the program to start; `move(seconds)` sets its clock from then on."""

    def __init__(self, folder: Path):
        source, library, self._page = folder / "set_clock.c", folder / "set_clock.so", folder / "set_clock.offset"
        source.write_text(SOURCE)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        self._page.write_bytes(struct.pack("q", 0))
        self.env = {"LD_PRELOAD": str(library), "SET_CLOCK": str(self._page)}

    def move(self, seconds: int) -> None:
        with open(self._page, "r+b") as file, mmap.mmap(file.fileno(), 8) as page:
            page[:] = struct.pack("q", seconds)
