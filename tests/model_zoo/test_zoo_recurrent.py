"""Recurrent layers: torch's numbers without a mask, and with one those of each row read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_zoo import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from model_zoo.layers.sequence_mask import SequenceMask

LAYERS = [RNN, LSTM, GRU]
CELLS = [(RNNCell, RNN), (LSTMCell, LSTM), (GRUCell, GRU)]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"bidirectional": True},
    {"num_layers": 2},
    {"num_layers": 3, "bidirectional": True},
]
# Padding behind, in front, between, none, and a row of nothing else.
MASK = torch.tensor(
    [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=torch.bool
)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def rows_alone(layer: torch.nn.Module, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Each row without its padding, one at a time: what the mask must amount to."""
    results = []
    for row, real in zip(x, SequenceMask(mask).mask, strict=True):
        alone = layer(row[real][None])
        if alone.ndim == 3:
            full = torch.zeros(len(real), alone.shape[2])
            full[real] = alone[0]
            alone = full[None]
        results.append(alone)
    return torch.cat(results)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("options", OPTIONS)
def test_without_a_mask_it_is_torchs_layer(kind: Any, options: dict[str, Any]) -> None:
    layer = kind(4, 3, **options)
    x = torch.randn(5, 6, 4)
    output, last = layer.core(x)
    assert torch.equal(layer(x), output)
    layer.last_step = True
    states = last[0] if kind is LSTM else last
    directions = 2 if options.get("bidirectional") else 1
    torch.testing.assert_close(layer(x), states[-directions:].transpose(0, 1).flatten(1))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("last_step", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_masked_row_gives_what_it_gives_without_its_padding(
    kind: Any, options: dict[str, Any], last_step: bool, training: bool
) -> None:
    layer = kind(4, 3, last_step=last_step, **options).train(training)
    x = torch.randn(5, 5, 4)
    torch.testing.assert_close(layer(x, MASK), rows_alone(layer, x, MASK), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("last_step", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("options", OPTIONS)
def test_the_traceable_form_equals_the_packed_one(kind: Any, options: dict[str, Any], last_step: bool) -> None:
    layer = kind(4, 3, last_step=last_step, **options).eval()
    x = torch.randn(5, 5, 4)
    steps = SequenceMask(MASK)
    front = steps.to_front(x)
    torch.testing.assert_close(
        steps.back(layer._traceable(front, steps)), steps.back(layer._packed(front, steps)), rtol=0, atol=1e-6
    )
    program = torch.export.export(
        layer, (x, MASK), dynamic_shapes=({0: torch.export.Dim("batch", min=1)}, {0: torch.export.Dim("batch", min=1)})
    ).module()
    for rows in (1, 2, 5):
        torch.testing.assert_close(program(x[:rows], MASK[:rows]), layer(x[:rows], MASK[:rows]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("cell", "whole"), CELLS)
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("last_step", [True, False])
def test_unrolled_cells_equal_one_layer_with_the_same_weights(
    cell: Any, whole: Any, bidirectional: bool, bias: bool, last_step: bool
) -> None:
    options = {"bidirectional": bidirectional, "bias": bias, "last_step": last_step}
    unrolled, layer = cell(4, 3, **options), whole(4, 3, **options)
    for part, suffix in ((unrolled.forward_cell, ""), (unrolled.backward_cell, "_reverse")):
        if part is not None:
            part.load_state_dict({name: getattr(layer.core, f"{name}_l0{suffix}") for name in part.state_dict()})
    x = torch.randn(5, 5, 4)
    for mask in (None, MASK):
        torch.testing.assert_close(unrolled(x, mask), layer(x, mask), rtol=1e-6, atol=1e-6)


def test_the_nonlinearity_of_an_rnn_is_taken() -> None:
    layer = RNN(4, 3, nonlinearity="relu")
    cell = RNNCell(4, 3, nonlinearity="relu")
    cell.forward_cell.load_state_dict(
        {name: getattr(layer.core, f"{name}_l0") for name in cell.forward_cell.state_dict()}
    )
    x = torch.randn(2, 5, 4)
    assert layer.core.nonlinearity == "relu"
    torch.testing.assert_close(cell(x), layer(x))
    assert bool((layer(x) >= 0).all())


@pytest.mark.parametrize("kind", [*LAYERS, *(cell for cell, _ in CELLS)])
def test_gradients_flow_through_a_mask_and_not_from_padding(kind: Any) -> None:
    layer = kind(4, 3, bidirectional=True)
    x = torch.randn(5, 5, 4, requires_grad=True)
    layer(x, MASK).square().sum().backward()
    assert x.grad is not None
    reached = x.grad.abs().sum(dim=2) > 0
    assert torch.equal(reached, SequenceMask(MASK).mask)
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in layer.parameters())


@pytest.mark.parametrize("kind", LAYERS)
def test_dropout_between_one_layer_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"dropout=0.5 works between layers, and num_layers=1 has no between"):
        kind(4, 3, dropout=0.5)
    assert kind(4, 3, 2, dropout=0.5).core.dropout == 0.5


@pytest.mark.parametrize("kind", [*LAYERS, *(cell for cell, _ in CELLS)])
def test_on_the_meta_device_a_mask_changes_no_shape(kind: Any) -> None:
    for last_step, expected in ((True, (2, 6)), (False, (2, 5, 6))):
        layer = kind(4, 3, bidirectional=True, last_step=last_step).to("meta")
        mask = torch.ones(2, 5, dtype=torch.bool, device="meta")
        assert layer(torch.empty(2, 5, 4, device="meta"), mask).shape == expected
        assert layer.drops_mask is last_step


masks = st.integers(1, 6).flatmap(
    lambda length: st.lists(st.lists(st.booleans(), min_size=length, max_size=length), min_size=1, max_size=4)
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(masks)
def test_real_steps_move_to_the_front_and_back_for_any_mask(rows: list[list[bool]]) -> None:
    mask = torch.tensor(rows)
    steps = SequenceMask(mask)
    x = torch.arange(1, mask.numel() + 1, dtype=torch.float32).reshape(*mask.shape, 1)
    front, real = steps.to_front(x), steps.mask
    for row in range(len(x)):
        kept = x[row][real[row]]
        assert len(kept) == steps.lengths[row] >= 1
        assert torch.equal(front[row, : len(kept)], kept)
        assert torch.equal(steps.reverse(front)[row, : len(kept)], kept.flip(0))
        assert torch.equal(steps.last(front)[row], kept[-1])
        assert torch.equal(front[row, :, 0].sort().values, x[row, :, 0])
    assert torch.equal(steps.back(front), x * real[:, :, None])
    assert torch.equal(steps.reverse(steps.reverse(front)), front)
