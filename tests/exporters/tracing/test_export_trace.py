"""The trace: a dynamic batch, every layer and activation of the builder, and what torch cannot export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from exporters.settings import make_settings
from exporters.subject.assembly import make_subject
from exporters.subject.dynamic_axes import resolve_dynamic_axes
from exporters.tracing.trace import Traced, trace
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import References
from runtime.errors import CheckFailed
from runtime.session import Session
from toolkit.builder.layers import ACTIVATIONS, LAYERS

SIZES = (1, 2, 5, 17)


def traced(module: torch.nn.Module, example: Any, path: Path, **options: Any) -> Traced:
    """Trace, which compares with torch at several batch sizes."""
    settings = make_settings(options)
    subject, _ = resolve_dynamic_axes(make_subject(module, example=example, settings=settings), settings)
    return trace(
        subject, path, references=References(subject, make_probes(subject, SIZES)), allow_static=settings.allow_static
    )


class Beside(torch.nn.Module):
    """x -> {name: module(x)}: many modules in one graph, each with an output of its own."""

    def __init__(self, modules: dict[str, torch.nn.Module]) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleDict({f"_{name}": module for name, module in modules.items()})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name[1:]: module(x) for name, module in self.parts.items()}


PICTURE_LAYERS: dict[str, torch.nn.Module] = {
    "conv2d": LAYERS["conv2d"].function(size=(2, 4), kernel_size=(3, 2), stride=(1, 2), padding=1, dilation=(1, 2)),
    "conv2d same": LAYERS["conv2d"].function(size=(2, 4), kernel_size=3, padding="same", groups=2, bias=False),
    "maxpool": LAYERS["maxpool"].function(kernel_size=(3, 2), stride=2, padding=1),
    "avgpool": LAYERS["avgpool"].function(kernel_size=3, stride=2, padding=1),
    "batchnorm2d": LAYERS["batchnorm2d"].function(size=2),
    "flatten": LAYERS["flatten"].function(),
    "dropout": LAYERS["dropout"].function(p=0.9),
    "lenet": LAYERS["lenet"].function(num_classes=3, in_shape=(2, 12, 13)),
    "mlp": LAYERS["mlp"].function(out_features=3, in_shape=(2, 12, 13), hidden=(5,)),
}
ROW_LAYERS: dict[str, torch.nn.Module] = {
    "linear": LAYERS["linear"].function(size=(6, 3)),
    "linear without bias": LAYERS["linear"].function(size=(6, 3), bias=False),
    "batchnorm1d": LAYERS["batchnorm1d"].function(size=6),
    **{name: make() for name, make in ACTIVATIONS.items()},
}


@pytest.mark.parametrize(("modules", "shape"), [(PICTURE_LAYERS, (2, 12, 13)), (ROW_LAYERS, (6,))])
def test_many_layers_and_all_activations_in_one_graph_say_the_same_in_the_file(
    modules: dict[str, torch.nn.Module], shape: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    parts = {name.replace(" ", "_"): module for name, module in modules.items()}
    module = Beside(parts).train()
    for _ in range(3):
        module(torch.randn(8, *shape) * 3 + 1)  # normalisation has seen something
    parity = traced(module, torch.randn(4, *shape) * 3, tmp_path / "a.onnx").parity
    assert list(parity.worst) == list(parts)


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_the_batch_is_dynamic_whatever_the_example_had(dense: torch.nn.Module, tmp_path: Path, rows: int) -> None:
    traced(dense, torch.rand(rows, 4), tmp_path / "a.onnx")
    session = Session(tmp_path / "a.onnx", "cpu")
    for tensor in (*session.inputs, *session.outputs):
        assert isinstance(tensor.shape[0], str)
    assert session.fixed_batch is None


def test_the_batch_can_be_fixed(dense: torch.nn.Module, tmp_path: Path) -> None:
    traced(dense, torch.rand(4, 4), tmp_path / "a.onnx", dynamic=())
    assert Session(tmp_path / "a.onnx", "cpu").fixed_batch == 4


def test_the_weights_are_inside_the_file(dense: torch.nn.Module, tmp_path: Path) -> None:
    traced(dense, torch.rand(2, 4), tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    model = onnx.load(tmp_path / "a.onnx", load_external_data=False)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


@pytest.mark.parametrize("limit", [1, 4, 8, 1000])
@pytest.mark.parametrize("larger", [True, False])
def test_a_branch_on_the_batch_size_is_refused_wherever_it_lies(tmp_path: Path, limit: int, larger: bool) -> None:
    """Also far beyond the sizes at which the file is run for verification."""

    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            taken = x.shape[0] > limit if larger else x.shape[0] <= limit
            return x * 2 if taken else x - 1

    with pytest.raises(CheckFailed, match=r"(depends on the batch size.*dynamic=()|differs from torch)"):
        traced(Branch(), torch.rand(6, 4), tmp_path / "a.onnx")


def test_a_branch_on_the_batch_size_may_be_exported_for_one_size(tmp_path: Path) -> None:
    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if x.shape[0] > 4 else x - 1

    assert traced(Branch(), torch.rand(6, 4), tmp_path / "a.onnx", dynamic=()).parity.worst_difference == 0


def test_what_torch_cannot_export_is_one_paragraph_with_the_cause(tmp_path: Path) -> None:
    class Numbers(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if float(x.sum()) > 0 else x

    with pytest.raises(CheckFailed) as caught:
        traced(Numbers(), torch.rand(2, 4), tmp_path / "a.onnx")
    message = str(caught.value)
    assert message.startswith("torch could not export the network: ")
    assert "\n" not in message
    assert len(message) < 700


def test_nothing_is_printed_or_warned(
    dense: torch.nn.Module, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    traced(dense, torch.rand(2, 4), tmp_path / "a.onnx")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
