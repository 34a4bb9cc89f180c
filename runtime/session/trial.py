"""Trial of the installed onnxruntime in a process of its own: a wheel that was not built for this machine ends the process."""

from __future__ import annotations

import importlib.metadata
import json
import signal
import subprocess
import sys
from pathlib import Path

from runtime.session.providers import Unavailable

__all__ = ["try_onnxruntime"]

_SECONDS = 120
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import onnxruntime
if hasattr(onnxruntime, "InferenceSession"):
    import numpy as np
    session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
    rows = np.eye(4, 8, dtype=np.float32)
    session.run(None, {"queries": rows, "rows": rows, "k": np.array([1], np.int64)})
"""
# How Windows says that a process was ended for an instruction that the processor lacks, and for a wrong address.
_WINDOWS_ENDS = {0xC000001D: "SIGILL", 0xC0000005: "SIGSEGV", 0xC0000409: "SIGABRT"}
_MEANINGS = {
    "SIGILL": "it uses instructions that this processor lacks",
    "SIGSEGV": "it reads memory that is not its own",
    "SIGBUS": "it reads memory that is not its own",
    "SIGABRT": "it gave up",
    "SIGKILL": "the system ended it, as it does where memory runs out",
}


def try_onnxruntime() -> Unavailable | None:
    """Import onnxruntime and multiply two matrices with it, in another process; why that fails, or None where it works.

    A package that is not installed is None too: importing it says so.
    """
    graph = Path(__file__).parent.parent / "index" / "scan.onnx"
    command = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), str(graph)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return _unavailable(f"does not end within {_SECONDS} s")
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    if ended.returncode == 0 or (lines and lines[-1].startswith("ModuleNotFoundError: No module named 'onnxruntime'")):
        return None
    name = _signal_name(ended.returncode)
    if name is None:
        return _unavailable(f"fails with {lines[-1] if lines else f'the exit code {ended.returncode}'}")
    meaning = f": {_MEANINGS[name]}" if name in _MEANINGS else ""
    return _unavailable(f"is ended by {name}{meaning}")


def _signal_name(code: int) -> str | None:
    if code % 2**32 in _WINDOWS_ENDS and code > 0:
        return _WINDOWS_ENDS[code % 2**32]
    try:
        return signal.Signals(-code).name if code < 0 else None
    except ValueError:
        return f"the signal {-code}"


def _unavailable(what: str) -> Unavailable:
    wheels = {wheel: _version(wheel) for wheel in ("onnxruntime", "onnxruntime-gpu")}
    wheel, version = next(((name, found) for name, found in wheels.items() if found), ("onnxruntime", None))
    other = f"'{wheel}!={version}'" if version else wheel
    return Unavailable(
        f"{wheel}{f' {version}' if version else ''} cannot run here: importing and trying it {what}.",
        f"Install another release of it: pip install --force-reinstall {other}",
    )


def _version(wheel: str) -> str | None:
    try:
        return importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return None
