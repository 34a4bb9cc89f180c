"""Child process with limits on time and resident memory; killed when it exceeds one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

__all__ = ["Outcome", "run_limited"]

# How often the child's memory is looked at: memory can be filled at a few GB per second.
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Outcome:
    """Outcome of a child process.

    Attributes:
        ended_by: "itself", or the limit that it was killed for.
        exit_code: the exit code; negative for a signal.
        last_words: the last line that it wrote to standard error.
        seconds: run time.
        peak_bytes: peak resident memory as sampled, 0 where the system does not tell.
    """

    ended_by: Literal["itself", "time", "memory"]
    exit_code: int
    last_words: str
    seconds: float
    peak_bytes: int


def run_limited(
    command: Sequence[str], *, seconds: float, memory_bytes: int, stop: threading.Event | None = None
) -> Outcome:
    """Run a command to its end, or until it has run for `seconds`, its resident memory is above `memory_bytes`, or `stop` is set.

    The memory is read from /proc, from outside: a library that is busy allocating does not look at the clock. Where there
    is no /proc, the time limit alone remains. The child and what it started are gone when this returns or raises.
    """
    started = time.monotonic()
    ended_by: Literal["itself", "time", "memory"] = "itself"
    peak = 0
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
        )
        try:
            while not _has_ended(child):
                peak = max(peak, _resident_bytes(child.pid))
                if peak > memory_bytes:
                    ended_by = "memory"
                    break
                if time.monotonic() - started > seconds or (stop is not None and stop.is_set()):
                    ended_by = "time"
                    break
                time.sleep(_LOOK_SECONDS)
        finally:
            _kill(child)
        return Outcome(ended_by, child.returncode, _last_line(words), time.monotonic() - started, peak)


def _resident_bytes(process: int) -> int:
    """Resident memory in bytes of a process and its descendants; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(_resident_bytes(int(child)) for child in children)


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Test that the child has ended, without reaping it, so that its process id still names its own group."""
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and its whole group, also when it has ended and left processes behind."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    elif child.poll() is None:
        child.kill()
    child.wait()


def _last_line(words: BinaryIO) -> str:
    words.seek(0, os.SEEK_END)
    words.seek(max(0, words.tell() - 4096))
    lines = [line.strip() for line in words.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
