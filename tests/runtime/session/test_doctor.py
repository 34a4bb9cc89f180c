"""The whole picture of what can run here. Packages and devices are simulated, so that it is the same everywhere."""

from __future__ import annotations

import importlib.metadata

import onnxruntime
import pytest

from runtime.errors import MissingPackageError
from runtime.session import doctor
from runtime.session.doctor import Finding, examine
from runtime.session.providers import Unavailable

ALL = {package for packages in doctor._EXTRAS.values() for package in packages} - {"onnxruntime"}


def examined(
    monkeypatch: pytest.MonkeyPatch,
    packages: set[str],
    obstacle: Unavailable | None = None,
    failure: Unavailable | None = None,
) -> dict[str, Finding]:
    """What is found where these packages are installed and this stands in the way of the GPU."""

    def version(package: str) -> str:
        if package in packages:
            return "1.2.3"
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(doctor, "try_onnxruntime", lambda: failure)
    monkeypatch.setattr(doctor, "cuda_obstacle", lambda _index: obstacle)
    monkeypatch.setattr(doctor, "tensorrt_obstacle", lambda _index: obstacle)
    return {finding.subject: finding for finding in examine()}


def test_where_all_is_in_order_everything_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examined(monkeypatch, ALL)
    assert all(finding.well and not finding.remedy for finding in found.values())
    assert found["onnxruntime"].state == "onnxruntime-gpu 1.2.3"
    assert [found[f"device {name}"].state for name in ("cpu", "cuda", "tensorrt")] == ["ready"] * 3
    assert set(found) == {
        "python", "processor", "runtime", "onnxruntime", "train", "device cpu", "device cuda", "device tensorrt",
    }  # fmt: skip


def test_both_wheels_are_not_well_and_the_remedy_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = examined(monkeypatch, {*ALL, "onnxruntime"})["wheels"]
    assert not finding.well
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in finding.remedy


def test_a_missing_extra_to_train_is_well_but_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = examined(monkeypatch, ALL - {"torch", "onnx"})["train"]
    assert finding.well
    assert finding.state.endswith("missing: torch, onnx")
    assert "pip install 'onnx-edge-toolkit[train]'" in finding.remedy
    nothing = examined(monkeypatch, {"numpy", "pillow", "click", "onnxruntime-gpu"})["train"]
    assert nothing.state.startswith("nothing; missing: torch")


def test_without_onnxruntime_nothing_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingPackageError("Running a model", "onnxruntime", "cpu")

    monkeypatch.setattr(doctor, "onnxruntime", missing)
    found = examined(monkeypatch, ALL - {"onnxruntime-gpu"})
    assert (found["onnxruntime"].state, found["onnxruntime"].well) == ("not installed", False)
    assert "onnx-edge-toolkit[cpu]" in found["onnxruntime"].remedy
    assert (found["device cpu"].state, found["device cpu"].well) == ("cannot run", False)


def test_an_unusable_gpu_is_explained_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = examined(monkeypatch, ALL, Unavailable("no driver.", "Install it."))["device cuda"]
    assert finding.to_dict() == {
        "subject": "device cuda", "state": "not available: no driver.", "well": True, "remedy": "Install it.",
    }  # fmt: skip


def test_this_machine_can_run_models_on_its_cpu() -> None:
    found = {finding.subject: finding for finding in examine()}
    assert found["device cpu"].state == "ready"
    assert onnxruntime.__version__ in found["onnxruntime"].state


def test_a_wheel_that_cannot_run_is_named_and_not_imported_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "onnxruntime", lambda: pytest.fail("it would end this process"))
    found = examined(monkeypatch, ALL, failure=Unavailable("onnxruntime 1 cannot run here.", "Install another."))
    assert [name for name in found if name.startswith("device")] == ["device cpu"]
    finding = found["device cpu"]
    assert (finding.state, finding.well) == ("cannot run: onnxruntime 1 cannot run here.", False)
    assert finding.remedy == "Install another."
