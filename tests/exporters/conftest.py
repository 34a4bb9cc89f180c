"""A small trained classifier with convolution, normalisation and dropout, its exported file, and a traced graph to damage."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from exporters import Report, export
from exporters.settings import ExportSettings
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from exporters.tracing.trace import trace
from toolkit import nn
from toolkit.data.readers.digits import digit_pictures

torch.set_num_threads(1)  # the networks here are small; threads would only wait for each other


@pytest.fixture(scope="session", autouse=True)
def translations_read_once() -> Iterator[None]:
    """torch.onnx reads the sources of its 500 translations anew for every export, half of a small one's time: here once.

    What they are registered in is as new for every export.
    """
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    read, known = ONNXRegistry.from_torchlib, dict[Any, ONNXRegistry]()

    def from_torchlib(*opset: int, **named: int) -> ONNXRegistry:
        key = (*opset, *named.items())
        if key not in known:
            known[key] = read(*opset, **named)
        registry = copy.copy(known[key])
        registry.functions = {target: list(entries) for target, entries in registry.functions.items()}
        return registry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(from_torchlib))
        yield


def train(folder: Path, seed: int) -> Path:
    pictures, labels = digit_pictures()
    model = nn("cls", folder)
    model.set_seed(seed)
    model.load_dataset(pictures[:200], labels[:200], train_val_ratio=0.8)
    model.add("conv2d", size=4, kernel_size=3)
    model.add("batchnorm2d", activation="relu")
    model.add("dropout", p=0.2)
    model.add("linear", size=16, activation="relu")
    model.add("linear", size=10, activation="softmax")
    model.train(lr=0.02, epochs=2, verbose=False, filename=None)
    return folder / "last.pth"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a classifier of 8 x 8 digits."""
    return train(tmp_path_factory.mktemp("checkpoint"), 1)


@pytest.fixture(scope="session")
def other_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network trained from another seed."""
    return train(tmp_path_factory.mktemp("other"), 2)


@pytest.fixture(scope="session")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, list[str]]:
    """The report of the checkpoint's export, all stages, and the stages in the order they were announced."""
    stages: list[str] = []
    report = export(checkpoint, tmp_path_factory.mktemp("exported") / "model.onnx", on_stage=stages.append)
    return report, stages


@pytest.fixture(scope="session")
def dense() -> torch.nn.Module:
    """(N, 4) -> (N, 3) logits."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval()


@pytest.fixture(scope="session")
def rows() -> torch.Tensor:
    """Seven rows of four numbers."""
    return torch.randn(7, 4, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def traced_once(
    dense: torch.nn.Module, rows: torch.Tensor, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Subject, bytes]:
    subject = make_subject(dense, example=rows, settings=ExportSettings(task="classification", labels=("a", "b", "c")))
    path = tmp_path_factory.mktemp("traced") / "traced.onnx"
    trace(subject, path)
    return subject, path.read_bytes()


@pytest.fixture
def traced(traced_once: tuple[Subject, bytes], tmp_path: Path) -> tuple[Subject, Path]:
    """The subject `dense` and a fresh copy of its traced file."""
    path = tmp_path / "traced.onnx"
    path.write_bytes(traced_once[1])
    return traced_once[0], path
