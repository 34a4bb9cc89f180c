"""Rows lie along the axes called batch, wherever these are; an input without one keeps its lengths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exporters import export
from runtime.errors import SpecError
from runtime.session import Session

Axes = Mapping[str, Mapping[int, str]]


class Graph(torch.nn.Module):
    """Sums of the neighbours' features: x (nodes, 6), e (2, edges) -> (nodes, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(6, 3)

    def forward(self, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        return torch.zeros(x.shape[0], 3).index_add(0, e[1], self.linear(x)[e[0]])


class Stateful(torch.nn.Module):
    """LSTM whose states (layers, N, H) are inputs and outputs."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(4, 6, num_layers=2, batch_first=batch_first)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        steps, (h, c) = self.lstm(x, (h, c))
        return steps, h, c


class Scaled(torch.nn.Module):
    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return x * scale


class Apart(torch.nn.Module):
    """Every query against every document: (queries, 4), (documents, 4) -> (queries, documents)."""

    def forward(self, queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        return queries @ documents.T


def agree(module: torch.nn.Module, path: Path, *inputs: torch.Tensor) -> None:
    session = Session(path, "cpu")
    found = session.run({tensor.name: value.numpy() for tensor, value in zip(session.inputs, inputs, strict=True)})
    with torch.no_grad():
        expected = module.eval()(*inputs)
    for one, other in zip(found.values(), expected if isinstance(expected, tuple) else (expected,), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)


def graph(nodes: int, edges: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(nodes, 6), torch.randint(0, nodes, (2, edges))


def states(rows: int, steps: int = 3, batch_first: bool = True) -> tuple[torch.Tensor, ...]:
    x = torch.randn(rows, steps, 4)
    return x if batch_first else x.transpose(0, 1).contiguous(), torch.randn(2, rows, 6), torch.randn(2, rows, 6)


STATES: Axes = {"x": {0: "batch"}, "h": {1: "batch"}, "c": {1: "batch"}}


@pytest.mark.parametrize(
    ("module", "example", "dynamic", "other", "shapes"),
    [
        (Graph(), graph(10, 24), {"x": {0: "nodes"}, "e": {1: "edges"}}, graph(31, 7), [("nodes", 6), (2, "edges")]),
        (Graph(), graph(2, 24), {"e": {1: "edges"}}, graph(2, 7), [(2, 6), (2, "edges")]),
        (Stateful(), states(3), STATES, states(7), [("batch", 3, 4), (2, "batch", 6), (2, "batch", 6)]),
        (Stateful(), states(2), STATES, states(5), [("batch", 3, 4), (2, "batch", 6), (2, "batch", 6)]),
        (Stateful(), states(1), STATES, states(4), [("batch", 3, 4), (2, "batch", 6), (2, "batch", 6)]),
        (
            Stateful(batch_first=False),
            states(3, 5, batch_first=False),
            {"x": {0: "length", 1: "batch"}, "h": {1: "batch"}, "c": {1: "batch"}},
            states(4, 2, batch_first=False),
            [("length", "batch", 4), (2, "batch", 6), (2, "batch", 6)],
        ),
        (Scaled(), (torch.randn(3, 4), torch.tensor(0.5)), {"x": {0: "batch"}}, (torch.randn(5, 4), torch.tensor(2.0)), [("batch", 4), ()]),
        (Scaled(), (torch.randn(3, 4), torch.randn(1, 4)), {"x": {0: "batch"}}, (torch.randn(5, 4), torch.randn(1, 4)), [("batch", 4), (1, 4)]),
        (
            Apart(),
            (torch.randn(3, 4), torch.randn(3, 4)),
            {"queries": {0: "queries"}, "documents": {0: "documents"}},
            (torch.randn(2, 4), torch.randn(6, 4)),
            [("queries", 4), ("documents", 4)],
        ),
        (
            Apart(),
            (torch.randn(3, 4), torch.randn(5, 4)),
            {"queries": {0: "batch"}, "documents": {0: "documents"}},
            (torch.randn(2, 4), torch.randn(6, 4)),
            [("batch", 4), ("documents", 4)],
        ),
    ],
)  # fmt: skip
def test_each_input_keeps_its_own_rows(
    tmp_path: Path,
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    dynamic: Axes,
    other: tuple[torch.Tensor, ...],
    shapes: list[tuple[Any, ...]],
) -> None:
    path = tmp_path / "n.onnx"
    report = export(module, path, example=example, dynamic=dynamic)
    assert [tensor.shape for tensor in Session(path, "cpu").inputs] == shapes
    agree(module, path, *example)
    agree(module, path, *other)
    if any("batch" in axes.values() for axes in dynamic.values()):
        assert report.parity.batch_sizes == (1, 2, 5)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_fixed_file_takes_states_as_they_are(tmp_path: Path, rows: int) -> None:
    export(Stateful(), tmp_path / "s.onnx", example=states(rows), dynamic=())
    shapes = [tensor.shape for tensor in Session(tmp_path / "s.onnx", "cpu").inputs]
    assert shapes == [(rows, 3, 4), (2, rows, 6), (2, rows, 6)]


class Cross(torch.nn.Module):
    """Attention of one sequence over another."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.attention(q, k, k, need_weights=False)[0]
        return result


class Masked(torch.nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return (q * k[..., None]).sum(1)


@pytest.mark.parametrize(("module", "second", "name"), [(Cross(), (3, 6, 8), "k_length"), (Masked(), (3, 6), "length")])
def test_lengths_that_are_equal_by_chance_are_free_of_each_other(
    tmp_path: Path, module: torch.nn.Module, second: tuple[int, ...], name: str
) -> None:
    path = tmp_path / "n.onnx"
    export(module, path, example=(torch.randn(3, 6, 8), torch.randn(second)), dynamic=("batch", "length"))
    q, k = (tensor.shape for tensor in Session(path, "cpu").inputs)
    assert (q[:2], k[:2]) == (("batch", "length"), ("batch", name))
    other = 9 if name != "length" else 4
    agree(module, path, torch.randn(2, 4, 8), torch.randn(2, other, *second[2:]))


def test_the_nodes_of_an_exported_program_are_no_batch(tmp_path: Path) -> None:
    nodes, edges = torch.export.Dim("nodes", min=2), torch.export.Dim("edges", min=2)
    program = torch.export.export(Graph().eval(), graph(10, 24), dynamic_shapes=({0: nodes}, {1: edges}))
    path = tmp_path / "n.onnx"
    export(program, path)
    assert [tensor.shape for tensor in Session(path, "cpu").inputs] == [("axis0", 6), (2, "length")]


def test_a_batch_size_needs_a_batch(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"batch_size=1 was given, but the inputs have no batch in common: x \(3, 3, 4\)"
    ):
        export(Stateful(), tmp_path / "s.onnx", example=states(3), dynamic=(), batch_size=1)
