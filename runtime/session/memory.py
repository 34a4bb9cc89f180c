"""Memory of this process and this machine."""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
from pathlib import Path

__all__ = ["machine_memory", "peak_memory"]


def peak_memory() -> int | None:
    """Most bytes of memory that this process has had at once, a GPU's not counted; None where the system does not tell."""
    # Linux's getrusage starts at the peak of the process that started this one
    with contextlib.suppress(OSError):
        told = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        if told:
            return 1024 * int(told[1])
    if sys.platform == "win32":
        return _windows_peak()
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _windows_peak() -> int | None:
    """PeakWorkingSetSize of GetProcessMemoryInfo."""
    import ctypes

    class Counters(ctypes.Structure):
        _fields_ = (
            ("cb", ctypes.c_ulong),
            ("PageFaultCount", ctypes.c_ulong),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            *((f"unused_{index}", ctypes.c_size_t) for index in range(7)),
        )

    counters = Counters(cb=ctypes.sizeof(Counters))
    libraries = ctypes.windll  # type: ignore[attr-defined,unused-ignore]
    process = ctypes.c_void_p(libraries.kernel32.GetCurrentProcess())
    told = libraries.psapi.GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb)
    return int(counters.PeakWorkingSetSize) if told else None


def machine_memory() -> float:
    """Bytes of memory of this machine; infinite where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf
