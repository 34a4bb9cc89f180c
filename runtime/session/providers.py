"""Execution providers: requested device, running device, and where they differ the reason and remedy."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import DeviceError, MissingPackageError, suggest

__all__ = ["Device", "DeviceWarning", "Unavailable", "cuda_obstacle", "onnxruntime", "plan", "wheel_conflict"]

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class DeviceWarning(UserWarning):
    """Warning: the model runs on another device than the one asked for."""


@dataclass(frozen=True)
class Unavailable:
    """Reason why a device is unavailable, and the remedy."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason} {self.remedy}"


@dataclass(frozen=True)
class Device:
    """Requested device (`asked`), running one (`name`, such as "cpu" or "cuda:0"), and the reason (`obstacle`)."""

    asked: str
    name: str
    obstacle: Unavailable | None = None

    @property
    def as_asked(self) -> bool:
        """True where the requested device runs; always True for "auto"."""
        return self.asked == "auto" or _parse(self.asked) == _parse(self.name)

    def explain(self) -> str:
        """One line: requested device, running device, and the remedy where they differ."""
        if self.as_asked:
            note = f" (the GPU is not used: {self.obstacle})" if self.obstacle else ""
            return f"running on {self.name}{note}"
        return f"{self.asked} was asked for, but {self.name} runs: {self.obstacle}"


def onnxruntime() -> Any:
    """Import the onnxruntime module.

    Raises:
        MissingPackageError: neither onnxruntime wheel is installed.
        DeviceError: the installed one cannot be imported.
    """
    try:
        import onnxruntime as module
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise _not_importable(error) from error
        raise MissingPackageError("Running a model", "onnxruntime", "cpu") from error
    except ImportError as error:
        raise _not_importable(error) from error
    if not hasattr(module, "InferenceSession"):  # one of the two wheels was removed and took the other's files along
        raise DeviceError(
            "The installed onnxruntime is incomplete, as happens when one of its two wheels is removed. Mend it with: "
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'onnx-edge-toolkit[cpu]' (or [gpu])"
        )
    module.set_default_logger_severity(4)
    return module


def _not_importable(error: ImportError) -> DeviceError:
    reason = " ".join(str(error).split()).rstrip(".")
    return DeviceError(
        f"The installed onnxruntime cannot be imported: {reason}. Install what is missing, or another release of it; `toolkit doctor` "
        f"says more."
    )


def plan(asked: str) -> tuple[list[tuple[str, dict[str, str]]], Device]:
    """Plan the providers of a session, in order, and the device expected to run.

    Raises:
        DeviceError: `asked` is not one of auto, cpu, cuda, cuda:N, tensorrt, tensorrt:N.
    """
    kind, index = _parse(asked)
    cpu: tuple[str, dict[str, str]] = (_PROVIDERS["cpu"], {})
    if kind == "cpu":
        return [cpu], Device(asked, "cpu")
    if kind == "auto":
        obstacle = cuda_obstacle(0)
        if obstacle is None:
            return [(_PROVIDERS["cuda"], {"device_id": "0"}), cpu], Device(asked, "cuda:0")
        # Without an NVIDIA driver there is nothing to explain: the CPU is what this machine has.
        return [cpu], Device(asked, "cpu", None if driver_obstacle(0) else obstacle)
    obstacle = tensorrt_obstacle(index) if kind == "tensorrt" else cuda_obstacle(index)
    if obstacle is not None:
        return [cpu], Device(asked, "cpu", obstacle)
    options = {"device_id": str(index)}
    chain = [(_PROVIDERS["cuda"], options), cpu]
    if kind == "tensorrt":
        chain.insert(0, (_PROVIDERS["tensorrt"], options))
    return chain, Device(asked, f"{kind}:{index}")


def _parse(asked: str) -> tuple[str, int]:
    match = re.fullmatch(r"(auto|cpu|cuda|tensorrt)(?::(\d{1,9}))?", str(asked).lower())
    if match is None or (match[2] and match[1] in ("auto", "cpu")):
        known = ("auto", "cpu", "cuda", "cuda:0", "tensorrt")
        raise DeviceError(
            f"The device {asked!r} is not known.{suggest(str(asked), known)} Devices: auto, cpu, cuda, cuda:N, tensorrt."
        )
    return match[1], int(match[2] or 0)


def cuda_obstacle(index: int) -> Unavailable | None:
    """Reason why onnxruntime cannot use CUDA device `index` here; None where it can."""
    if _PROVIDERS["cuda"] not in onnxruntime().get_available_providers():
        conflict = wheel_conflict()
        if conflict is not None:
            return Unavailable("the installed onnxruntime has no CUDA provider.", conflict)
        return Unavailable(
            "the installed onnxruntime has no CUDA provider.",
            "Install the other wheel: pip uninstall -y onnxruntime && pip install 'onnx-edge-toolkit[gpu]'",
        )
    return driver_obstacle(index) or _library_obstacle("cuda")


def tensorrt_obstacle(index: int) -> Unavailable | None:
    """Reason why TensorRT on CUDA device `index` cannot be used here; None where it can."""
    if _PROVIDERS["tensorrt"] not in onnxruntime().get_available_providers():
        return Unavailable(
            "the installed onnxruntime has no TensorRT provider.",
            "Install the other wheel: pip uninstall -y onnxruntime && pip install 'onnx-edge-toolkit[gpu]' tensorrt",
        )
    return driver_obstacle(index) or _library_obstacle("cuda") or _library_obstacle("tensorrt")


@functools.cache
def driver_obstacle(index: int) -> Unavailable | None:
    """Query the NVIDIA driver (cuInit, cuDeviceGetCount) for device `index`; None where it exists."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return Unavailable(
            f"no NVIDIA driver is installed ({name} is missing).", "Install the driver, or use --device cpu."
        )
    count = ctypes.c_int(0)
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0 or count.value == 0:
        return Unavailable(
            f"the NVIDIA driver finds no GPU (status {status}).",
            "Check with nvidia-smi that the GPU is visible here, or use --device cpu.",
        )
    if index >= count.value:
        return Unavailable(
            f"CUDA device {index} does not exist; the driver finds {count.value}, counted from 0.",
            f"Use --device cuda:{count.value - 1} or lower.",
        )
    return None


@functools.cache
def _library_obstacle(kind: str) -> Unavailable | None:
    """Load the provider's own library as onnxruntime would, and name the first library that it misses."""
    module = onnxruntime()
    if hasattr(module, "preload_dlls"):
        # Finds CUDA and cuDNN inside the nvidia-* packages; what it cannot find shows in the next step, so that what it
        # prints is not needed, and would spoil --json.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.preload_dlls(directory=None)
    folder = Path(module.__file__).parent / "capi"
    prefix, suffix = ("", ".dll") if sys.platform == "win32" else ("lib", ".so")
    try:
        ctypes.CDLL(str(folder / f"{prefix}onnxruntime_providers_shared{suffix}"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / f"{prefix}onnxruntime_providers_{kind}{suffix}"))
    except OSError as error:
        missing = re.match(r"(\S+?\.(?:so|dll)[\d.]*): cannot open", str(error))
        if missing is None and "undefined symbol" in str(error):
            return None  # it is all there; only the host process resolves this symbol
        reason = f"the library {missing[1]} is missing." if missing else f"its {kind} library does not load ({error})."
        package = "tensorrt" if kind == "tensorrt" else "'onnx-edge-toolkit[gpu]'"
        return Unavailable(reason, f"Install it with: pip install --upgrade {package}")
    return None


def wheel_conflict() -> str | None:
    """Remedy where both onnxruntime wheels are installed (they overwrite each other's files), else None."""
    found = [name for name in ("onnxruntime", "onnxruntime-gpu") if _installed(name)]
    if len(found) < 2:
        return None
    return (
        "Both onnxruntime and onnxruntime-gpu are installed; they overwrite each other's files. Keep one: "
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'onnx-edge-toolkit[gpu]' (or [cpu])"
    )


def _installed(name: str) -> bool:
    import importlib.metadata

    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
