"""A network as a table: each layer with its output shape, parameters and multiply-adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from runtime.console import table
from toolkit.builder.spec import batch_shape

__all__ = ["Row", "Summary", "summarize"]


@dataclass(frozen=True)
class Row:
    """One module that has no modules inside.

    Attributes:
        name: its path inside the network.
        kind: its class.
        output_shape: without the batch axis.
        parameters: how many numbers are learnt.
        multiply_adds: for one input.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Summary:
    """The rows in the order of execution; `str()` of it is the table."""

    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one input."""
        return sum(row.multiply_adds for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "input_shape": list(self.input_shape),
            "layers": [{**vars(row), "output_shape": list(row.output_shape)} for row in self.rows],
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
        }

    def __str__(self) -> str:
        rows = [
            (row.name, row.kind, batch_shape(row.output_shape), f"{row.parameters:,}", f"{row.multiply_adds:,}")
            for row in self.rows
        ]
        return table(
            ("layer", "kind", "output shape", "parameters", "multiply-adds"),
            [("input", "", batch_shape(self.input_shape), "", ""), *rows],
            footer=("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"),
            right=(3, 4),
        )


def summarize(network: torch.nn.Module, input_shape: tuple[int, ...]) -> Summary:
    """Run `network` on one empty input of `input_shape` (without the batch axis) on the meta device and list its modules.

    Multiply-adds are half of what torch.utils.flop_counter counts: convolutions and matrix products.
    """
    import copy

    from torch.utils.flop_counter import FlopCounterMode

    shadow = copy.deepcopy(network).to("meta").eval()
    leaves = {name: module for name, module in shadow.named_modules() if not list(module.children()) and name}
    order: list[str] = []
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, output: Any) -> None:
        if name not in shapes:
            order.append(name)
        shapes[name] = tuple(output.shape[1:]) if isinstance(output, torch.Tensor) else ()

    for name, module in leaves.items():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(torch.empty(1, *input_shape))
    counts = counter.get_flop_counts()
    prefix = type(shadow).__name__
    rows = []
    for name in order:
        module = leaves[name]
        parameters = sum(parameter.numel() for parameter in module.parameters())
        flops = sum(counts.get(f"{prefix}.{name}", {}).values())
        rows.append(Row(name, type(module).__name__, shapes[name], parameters, flops // 2))
    return Summary(tuple(input_shape), tuple(rows))
