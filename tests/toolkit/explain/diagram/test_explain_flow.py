"""Which layer feeds which, and which of them are shown."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from runtime.errors import InputError, SpecError
from toolkit.builder.layer_examples import EXAMPLES
from toolkit.builder.network import Network
from toolkit.builder.spec import build
from toolkit.explain.diagram.boxes import Diagram, diagram
from toolkit.explain.diagram.flow import INPUT, trace_flow


class Residual(torch.nn.Module):
    """x + relu(linear(x))."""

    def __init__(self, features: int = 4) -> None:
        super().__init__()
        self.linear, self.relu = torch.nn.Linear(features, features), torch.nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x += self.relu(self.linear(x))
        return x


def arrows(found: Diagram) -> list[tuple[str, tuple[int, ...]]]:
    return [(box.call.name or box.call.kind, box.sources) for box in found.boxes]


def test_a_sequence_is_a_chain_with_its_shapes(lenet: Network) -> None:
    found = diagram(trace_flow(lenet, (1, 28, 28)))
    assert [sources for _, sources in arrows(found)] == [(position - 1,) for position in range(13)]
    assert found.output == (12,)
    assert [box.call.output_shape for box in found.boxes[:3]] == [(6, 28, 28), (6, 28, 28), (6, 14, 14)]
    assert found.boxes[0].call.input_shape == (1, 28, 28)
    assert lenet.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in lenet.modules())


def test_a_shortcut_is_seen_through_operations_in_place() -> None:
    root = trace_flow(Residual(), (4,))
    assert [(call.name or call.kind, call.sources) for call in root.calls] == [
        ("linear", (INPUT,)),
        ("relu", (0,)),
        ("add", (INPUT, 1)),
    ]
    assert root.output == (2,)
    assert root.branched


def test_blocks_with_branches_are_closed_unless_asked_for() -> None:
    network = torch.nn.Sequential(*(Residual() for _ in range(5)))
    root = trace_flow(network, (4,))
    assert arrows(diagram(root)) == [(str(position), (position - 1,)) for position in range(5)]
    assert len(diagram(root, depth=1).boxes) == 5
    inside = arrows(diagram(root, depth=2))
    assert len(inside) == 15
    assert inside[3:6] == [("1.linear", (2,)), ("1.relu", (3,)), ("add", (2, 4))]


def test_the_outermost_block_is_opened_where_hardly_a_box_would_be_left() -> None:
    assert len(diagram(trace_flow(torch.nn.Sequential(Residual()), (4,))).boxes) == 3


def test_a_class_is_shown_one_way() -> None:
    class Perhaps(torch.nn.Module):
        def __init__(self, shortcut: bool) -> None:
            super().__init__()
            self.shortcut, self.linear, self.relu = shortcut, torch.nn.Linear(4, 4), torch.nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.relu(self.linear(x))
            return x + y if self.shortcut else y

    network = torch.nn.Sequential(*(Perhaps(number % 2 == 0) for number in range(6)))
    assert [name for name, _ in arrows(diagram(trace_flow(network, (4,))))] == list("012345")


def test_too_many_boxes_are_closed_again() -> None:
    network = torch.nn.Sequential(*(torch.nn.Sequential(*(torch.nn.ReLU() for _ in range(9))) for _ in range(8)))
    root = trace_flow(network, (4,))
    assert len(diagram(root).boxes) == 8
    assert len(diagram(root, most=72).boxes) == 72


def test_attention_and_recurrent_cells_are_one_layer() -> None:
    for name in ("multihead_attention", "rnn_cell", "lstm_cell", "gru_cell"):
        example = EXAMPLES[name]
        found = diagram(trace_flow(build(example.spec(name)), example.input_shape, dtype=getattr(torch, example.dtype)))
        assert found.boxes[-1].call.name.startswith(name)
        assert all(sources == (position - 1,) for position, (_, sources) in enumerate(arrows(found)))


def test_masks_are_no_arrows() -> None:
    example = EXAMPLES["transformer_encoder"]
    found = diagram(trace_flow(build(example.spec("transformer_encoder")), example.input_shape, dtype=torch.int64))
    assert all(sources == (position - 1,) for position, (_, sources) in enumerate(arrows(found)))


def test_a_network_of_inputs_and_outputs_in_dictionaries() -> None:
    class Heads(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = torch.nn.Linear(4, 2), torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> Any:
            return {"left": self.left(x), "right": [self.right(input=x)]}

    found = diagram(trace_flow(Heads(), (4,)))
    assert arrows(found) == [("left", (INPUT,)), ("right", (INPUT,))]
    assert found.output == (0, 1)


def test_networks_that_need_numbers_run_on_them() -> None:
    class Picky(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not bool(x.isfinite().all()):
                raise ValueError("not finite")
            return self.linear(x)

    assert trace_flow(Picky(), (4,)).output_shape == (2,)
    with torch.device("meta"):
        described = Picky()
    assert trace_flow(described, (4,)).output_shape == (2,)


def test_what_does_not_fit_is_refused(lenet: Network) -> None:
    with pytest.raises(InputError, match=r"cannot take an input of shape \(1, 3, 28, 28\)"):
        trace_flow(lenet, (3, 28, 28))
    root = trace_flow(lenet, (1, 28, 28))
    for depth in (0, -1, 1.5):
        with pytest.raises(SpecError, match="at least 1"):
            diagram(root, depth)  # type: ignore[arg-type]
