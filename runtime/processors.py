"""Processors that this process may really use: by its affinity (taskset, cpusets) and its control groups' quota (containers)."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["usable_cores", "usable_processors"]

_CGROUPS = Path("/sys/fs/cgroup")


def usable_processors() -> int:
    """Processors for threads of this process, at least 1: no more than its affinity, its cgroups' quota, and the machine has."""
    return max(1, math.ceil(min(len(_affinity()), _quota())))


def usable_cores() -> int | None:
    """Physical cores among the usable processors, for threads that compute; None where the process may use the whole machine."""
    usable, known = usable_processors(), os.cpu_count() or 1
    if usable >= known:
        return None
    places = Path("/sys/devices/system/cpu")
    siblings = {_text(places / f"cpu{index}/topology/thread_siblings_list") or str(index) for index in _affinity()}
    return min(usable, len(siblings))


def _affinity() -> set[int]:
    """Numbers of the processors that the system lets this process run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


@functools.cache
def _quota() -> float:
    """Processors' worth of time that the process's cgroups allow, the least of all above it; infinite without."""
    return min(_quotas(), default=math.inf)


def _quotas() -> Iterator[float]:
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, place = line.split(":", 2)
        if not controllers:  # version 2
            for folder in _upwards((_CGROUPS, _CGROUPS / "unified"), place):
                yield from _ratio(*_text(folder / "cpu.max").split()[:2])
        elif "cpu" in controllers.split(","):
            for folder in _upwards((_CGROUPS / controllers, _CGROUPS / "cpu"), place):
                yield from _ratio(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _upwards(roots: tuple[Path, ...], place: str) -> Iterator[Path]:
    """Folders of a cgroup and of those that it lies in; a container may see them as the root, whatever its name outside is."""
    below = PurePosixPath(place.lstrip("/"))
    for root in filter(Path.is_dir, roots):
        for folder in (below, *below.parents):
            yield root / folder


def _ratio(quota: str = "", period: str = "") -> Iterator[float]:
    if quota.strip().isdecimal() and period.strip().isdecimal() and int(period) and int(quota):
        yield int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
