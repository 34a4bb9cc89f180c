"""Which device runs, and why another one does not. Drivers and libraries are simulated: no test needs a GPU or its absence."""

from __future__ import annotations

import ctypes
import importlib.metadata
import sys
import types
from collections.abc import Iterator
from typing import Any

import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import DeviceError, MissingPackageError
from runtime.session import providers
from runtime.session.providers import Device, Unavailable, cuda_obstacle, plan, tensorrt_obstacle, wheel_conflict

CUDA, TENSORRT, CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"


class Machine:
    """A simulated machine: which providers the wheel has, what the driver says, which libraries cannot be loaded."""

    def __init__(self) -> None:
        self.providers = [TENSORRT, CUDA, CPU]
        self.driver: int | None = 1  # GPUs; None without a driver
        self.status = 0
        self.faults: dict[str, str] = {}
        self.wheels = {"onnxruntime-gpu"}

    def load(self, name: str, *_: Any, **__: Any) -> Any:
        if name in ("libcuda.so.1", "nvcuda.dll"):
            if self.driver is None:
                raise OSError(f"{name}: cannot open shared object file: No such file or directory")
            return types.SimpleNamespace(cuInit=lambda _flags: self.status, cuDeviceGetCount=self._count)
        for part, message in self.faults.items():
            if part in name:
                raise OSError(message)
        return types.SimpleNamespace()

    def _count(self, pointer: Any) -> int:
        pointer._obj.value = self.driver
        return 0

    def version(self, package: str) -> str:
        if package in self.wheels:
            return "1.0"
        raise importlib.metadata.PackageNotFoundError(package)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with one GPU on which everything is in order."""
    made = Machine()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: made.providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda **_: print("Failed to load libX.so"), raising=False)
    monkeypatch.setattr(ctypes, "CDLL", made.load)
    monkeypatch.setattr(importlib.metadata, "version", made.version)
    _forget()
    yield made
    _forget()


def _forget() -> None:
    providers.driver_obstacle.cache_clear()
    providers._library_obstacle.cache_clear()


@pytest.mark.parametrize(
    ("asked", "runs", "chain"),
    [
        ("auto", "cuda:0", [(CUDA, "0"), (CPU, None)]),
        ("cpu", "cpu", [(CPU, None)]),
        ("CUDA", "cuda:0", [(CUDA, "0"), (CPU, None)]),
        ("cuda:2", "cuda:2", [(CUDA, "2"), (CPU, None)]),
        ("tensorrt", "tensorrt:0", [(TENSORRT, "0"), (CUDA, "0"), (CPU, None)]),
        ("tensorrt:1", "tensorrt:1", [(TENSORRT, "1"), (CUDA, "1"), (CPU, None)]),
    ],
)
def test_where_all_is_in_order_what_is_asked_for_runs(
    machine: Machine, asked: str, runs: str, chain: list[tuple[str, str | None]]
) -> None:
    machine.driver = 3
    found, device = plan(asked)
    assert [(name, options.get("device_id")) for name, options in found] == chain
    assert (device.name, device.as_asked, device.obstacle) == (runs, True, None)
    assert device.explain() == f"running on {runs}"


def no_driver(machine: Machine) -> None:
    machine.driver = None


def no_gpu(machine: Machine) -> None:
    machine.driver = 0


def hidden_gpu(machine: Machine) -> None:
    machine.status = 100


def no_cublas(machine: Machine) -> None:
    machine.faults["providers_cuda"] = "libcublasLt.so.13: cannot open shared object file: No such file or directory"


def odd_library(machine: Machine) -> None:
    machine.faults["providers_cuda"] = "invalid ELF header"


def cpu_wheel(machine: Machine) -> None:
    machine.providers, machine.wheels = [CPU], {"onnxruntime"}


def both_wheels(machine: Machine) -> None:
    machine.providers, machine.wheels = [CPU], {"onnxruntime", "onnxruntime-gpu"}


@pytest.mark.parametrize(
    ("fault", "reason", "remedy"),
    [
        (no_driver, "no NVIDIA driver is installed", "Install the driver, or use --device cpu"),
        (no_gpu, "the NVIDIA driver finds no GPU (status 0)", "Check with nvidia-smi"),
        (hidden_gpu, "the NVIDIA driver finds no GPU (status 100)", "Check with nvidia-smi"),
        (no_cublas, "the library libcublasLt.so.13 is missing", "pip install --upgrade 'onnx-edge-toolkit[gpu]'"),
        (odd_library, "its cuda library does not load (invalid ELF header)", "pip install --upgrade"),
        (cpu_wheel, "the installed onnxruntime has no CUDA provider", "pip install 'onnx-edge-toolkit[gpu]'"),
        (both_wheels, "the installed onnxruntime has no CUDA provider", "Both onnxruntime and onnxruntime-gpu"),
    ],
)
def test_where_cuda_cannot_run_the_cpu_does_and_the_reason_and_remedy_are_given(
    machine: Machine, fault: Any, reason: str, remedy: str
) -> None:
    fault(machine)
    chain, device = plan("cuda")
    assert chain == [(CPU, {})]
    assert (device.name, device.as_asked) == ("cpu", False)
    assert device.obstacle == cuda_obstacle(0)
    assert reason in device.obstacle.reason
    assert remedy in device.obstacle.remedy
    assert device.explain().startswith("cuda was asked for, but cpu runs: ")
    assert reason in device.explain()
    assert remedy in device.explain()


def test_an_index_beyond_the_last_gpu_names_the_last(machine: Machine) -> None:
    machine.driver = 2
    obstacle = plan("cuda:2")[1].obstacle
    assert "CUDA device 2 does not exist; the driver finds 2" in obstacle.reason
    assert "--device cuda:1 or lower" in obstacle.remedy


def test_tensorrt_has_obstacles_of_its_own(machine: Machine) -> None:
    machine.faults["providers_tensorrt"] = "libnvinfer.so.10: cannot open shared object file: No such file"
    assert cuda_obstacle(0) is None
    assert tensorrt_obstacle(0) == Unavailable(
        "the library libnvinfer.so.10 is missing.", "Install it with: pip install --upgrade tensorrt"
    )
    assert plan("tensorrt")[1].name == "cpu"
    machine.providers = [CUDA, CPU]
    assert "no TensorRT provider" in plan("tensorrt")[1].obstacle.reason


def test_a_symbol_that_only_the_host_process_resolves_is_no_obstacle(machine: Machine) -> None:
    machine.faults["providers_cuda"] = "libonnxruntime_providers_cuda.so: undefined symbol: Provider_GetHost"
    assert cuda_obstacle(0) is None


def test_auto_says_nothing_on_a_machine_without_a_gpu_but_explains_an_unused_one(machine: Machine) -> None:
    no_driver(machine)
    assert plan("auto")[1] == Device("auto", "cpu", None)
    _forget()
    machine.driver = 1
    no_cublas(machine)
    device = plan("auto")[1]
    assert device.as_asked
    assert "the GPU is not used: the library libcublasLt.so.13 is missing" in device.explain()


def test_what_onnxruntime_prints_while_it_looks_for_libraries_stays_out_of_the_output(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    plan("cuda")
    assert capsys.readouterr().out == ""


def test_both_wheels_at_once_are_a_conflict(machine: Machine) -> None:
    assert wheel_conflict() is None
    both_wheels(machine)
    assert "Keep one: pip uninstall -y onnxruntime onnxruntime-gpu" in wheel_conflict()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("gpu", "auto, cpu, cuda, cuda:N, tensorrt"),
        ("cud", "Did you mean 'cuda'"),
        ("cpu:0", "'cpu:0' is not known"),
        ("cuda:-1", "'cuda:-1' is not known"),
        ("cuda:" + "9" * 5000, "is not known"),
        ("", "'' is not known"),
        (0, "0 is not known"),
        (None, "None is not known"),
    ],
)
def test_an_unknown_device_is_refused_with_the_known_ones(asked: Any, words: str) -> None:
    with pytest.raises(DeviceError) as caught:
        plan(asked)
    assert words in str(caught.value)


@given(st.from_regex(r"(auto|cpu|cuda|tensorrt)?:?[0-9]{0,12}", fullmatch=True) | st.text(max_size=10))
def test_any_text_is_a_device_or_a_device_error(asked: str) -> None:
    try:
        kind, index = providers._parse(asked)
    except DeviceError as error:
        assert "\n" not in str(error) or "\n" in asked
    else:
        assert kind in ("auto", "cpu", "cuda", "tensorrt")
        assert index >= 0


def test_without_onnxruntime_the_extra_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r"onnx-edge-toolkit\[cpu\]"):
        plan("auto")


def test_half_an_onnxruntime_is_told_from_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    with pytest.raises(DeviceError, match="incomplete, as happens when one of its two wheels is removed"):
        plan("auto")
