"""Clocks that a test can set, for the programs that it starts with them: what they are told, nobody else notices."""

from __future__ import annotations

import mmap
import struct
import subprocess
from pathlib import Path

from tests.support.processes import SANITIZER

#: What a sanitizer's build must load first.
RUNTIMES = {"address,undefined": "libasan.so", "thread": "libtsan.so"}
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

struct page {
    long long offset_s;  /* of the wall clock */
    long long skipped_s; /* of all clocks */
};
static const volatile struct page *page;

__attribute__((constructor)) static void begin(void)
{
    static const struct page none;
    int fd = open(getenv("SET_CLOCK"), O_RDONLY);
    void *shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *page, PROT_READ, MAP_SHARED, fd, 0);
    page = shared == MAP_FAILED ? &none : shared;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, id, now);
    if (page && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += page->offset_s + page->skipped_s;
    } else if (page && (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_BOOTTIME)) {
        now->tv_sec += page->skipped_s;
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


def _runtime() -> str:
    if not SANITIZER:
        return ""
    named = ["cc", f"-print-file-name={RUNTIMES[SANITIZER]}"]
    return subprocess.run(named, check=True, capture_output=True, text=True).stdout.strip()


class SetClock:
    """`env` for the programs to start; `move(seconds)` sets their wall clock from then on, `skip(seconds)` lets so
    much time pass on all their clocks."""

    def __init__(self, folder: Path):
        source, library, self._page = folder / "set_clock.c", folder / "set_clock.so", folder / "set_clock.offset"
        source.write_text(SOURCE)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        self._page.write_bytes(struct.pack("qq", 0, 0))
        self.skipped = 0
        self.env = {"LD_PRELOAD": f"{_runtime()} {library}".strip(), "SET_CLOCK": str(self._page)}

    def _write(self, at: int, seconds: int) -> None:
        with open(self._page, "r+b") as file, mmap.mmap(file.fileno(), 16) as page:
            page[at:at + 8] = struct.pack("q", seconds)

    def move(self, seconds: int) -> None:
        self._write(0, seconds)

    def skip(self, seconds: int) -> None:
        self.skipped += seconds
        self._write(8, self.skipped)
