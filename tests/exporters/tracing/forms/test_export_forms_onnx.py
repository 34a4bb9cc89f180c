"""Export forms that only ONNX computes: exported, and compared with the ordinary module at several batch sizes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from exporters.subject.assembly import make_subject
from exporters.tracing.trace import trace
from model_zoo.layers.recurrent import GRU, LSTM, RNN
from model_zoo.layers.recurrent_cells import GRUCell, LSTMCell, RNNCell
from runtime.errors import CheckFailed


class Lambda(torch.nn.Module):
    def __init__(self, module: torch.nn.Module, function: Any) -> None:
        super().__init__()
        self.module = module
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(self.module, *inputs)


def exported(module: torch.nn.Module, example: Any, path: Path) -> Counter[str]:
    """Export, compare with torch at several batch sizes, count the operators."""
    trace(make_subject(module, example=example), path)
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"bidirectional": True, "num_layers": 2, "batch_first": True},
    {"bias": False, "batch_first": True},
]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("options", OPTIONS)
def test_recurrent_layers_are_one_node_a_layer_for_any_length(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    module = getattr(torch.nn, kind)(6, 5, **options)
    axes = (0, 1) if module.batch_first else (1, 0)

    def whole(core: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs, last = core(x.permute(*axes, 2))
        finals = last if isinstance(last, tuple) else (last,)
        return outputs.permute(*axes, 2), *(state.transpose(0, 1) for state in finals)

    counts = exported(Lambda(module, whole), torch.randn(4, 30, 6), tmp_path / "a.onnx")
    assert counts[kind] == module.num_layers
    assert sum(counts.values()) < 20


def test_an_rnn_with_relu(tmp_path: Path) -> None:
    module = torch.nn.RNN(6, 5, nonlinearity="relu", batch_first=True)
    assert exported(Lambda(module, lambda core, x: core(x)[0]), torch.randn(4, 9, 6), tmp_path / "a.onnx")["RNN"] == 1


def test_first_states_may_be_given(tmp_path: Path) -> None:
    module = torch.nn.LSTM(6, 5, num_layers=2, batch_first=True)

    def stepped(core: torch.nn.Module, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs, (h, c) = core(x, (h.transpose(0, 1), c.transpose(0, 1)))
        return outputs, h.transpose(0, 1), c.transpose(0, 1)

    example = (torch.randn(4, 3, 6), torch.randn(4, 2, 5), torch.randn(4, 2, 5))
    assert exported(Lambda(module, stepped), example, tmp_path / "a.onnx")["LSTM"] == 2


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("last_step", [False, True])
@pytest.mark.parametrize("kind", [RNN, GRU, LSTM, RNNCell, GRUCell, LSTMCell])
def test_padding_is_skipped_wherever_it_stands(kind: Any, last_step: bool, bidirectional: bool, tmp_path: Path) -> None:
    """Rows without padding, with padding in front, between and behind, and a row of padding alone."""
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1], [1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    module = Lambda(
        kind(3, 4, bidirectional=bidirectional, last_step=last_step), lambda core, x: core(x[..., 1:], x[..., 0] > 0)
    )
    example = torch.randn(5, 4, 4)
    example[..., 0] = mask.float()
    assert exported(module, example, tmp_path / "a.onnx")[kind.__name__.removesuffix("Cell")] == 1


@pytest.mark.parametrize(("size", "counts"), [(3, {"LRN": 1}), (2, {"LRN": 0})])
def test_local_response_norm(size: int, counts: dict[str, int], tmp_path: Path) -> None:
    found = exported(torch.nn.LocalResponseNorm(size, 0.5, 0.7, 2.0), torch.randn(4, 5, 3, 3) * 3, tmp_path / "a.onnx")
    assert {name: found[name] for name in counts} == counts


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (torch.nn.AdaptiveAvgPool3d((2, 3, None)), (2, 5, 4, 3)),
        (torch.nn.AdaptiveMaxPool2d((3, 7)), (2, 5, 4)),
        (torch.nn.AvgPool2d(2, ceil_mode=True, divisor_override=3), (2, 5, 4)),
        (torch.nn.Sequential(torch.nn.RReLU(), torch.nn.LogSigmoid()), (6,)),
    ],
)
def test_forms_that_torch_computes_too(module: torch.nn.Module, shape: tuple[int, ...], tmp_path: Path) -> None:
    assert sum(exported(module, torch.randn(3, *shape) * 100, tmp_path / "a.onnx").values()) < 12


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_padded_transformer_encoder(tmp_path: Path) -> None:
    layer = torch.nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
    module = Lambda(
        torch.nn.TransformerEncoder(layer, 2), lambda core, x: core(x, src_key_padding_mask=x[..., 0].cumsum(1) < -1)
    )
    exported(module, torch.randn(4, 7, 6), tmp_path / "a.onnx")


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_what_has_no_form_in_onnx_is_one_clear_sentence(tmp_path: Path) -> None:
    module = Lambda(torch.nn.LSTM(6, 5, proj_size=2, batch_first=True), lambda core, x: core(x)[0])
    with pytest.raises(CheckFailed, match=r"^torch could not export the network: An LSTM with proj_size=2 cannot"):
        exported(module, torch.randn(2, 3, 6), tmp_path / "a.onnx")
