"""Summary table of a network: each layer with its output shape, parameters and multiply-adds."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from runtime.console import table
from toolkit.builder.layer_spec import batch_shape

__all__ = ["Row", "Summary", "summarize"]


@dataclass(frozen=True)
class Row:
    """One module that runs.

    Attributes:
        name: its path inside the network.
        kind: its class.
        output_shape: without the batch axis.
        parameters: number of parameters.
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


def summarize(
    network: torch.nn.Module, input_shape: tuple[int, ...], input_dtype: str | torch.dtype | None = None
) -> Summary:
    """Summarise a network: run it on one empty input of `input_shape` (no batch axis), on the meta device where it can.

    A row is a module that runs and contains none that does; a module with weights of its own beside those inside, or that
    uses inner weights without running their modules, as attention does, has a row too. Each weight is counted once. Multiply-adds
    are half of what torch.utils.flop_counter counts: convolutions and matrix products; recurrent layers use each weight
    once per step.

    Args:
        network: not changed.
        input_shape: of one input.
        input_dtype: "float32", or "int64" for tokens; None takes the network's.
    """
    if input_dtype is None:
        input_dtype = getattr(network, "input_dtype", torch.float32)
    dtype = getattr(torch, input_dtype) if isinstance(input_dtype, str) else input_dtype
    # recurrent layers run every step, which the meta device does slowly
    walks = any(isinstance(module, torch.nn.RNNBase | torch.nn.RNNCellBase) for module in network.modules())
    # a forward may need numbers; or more than one input, where it squeezes the batch's axis away
    ways = [*([] if walks else [("meta", 1)]), ("cpu", 1)]
    for device, rows in ways:
        with contextlib.suppress(Exception):
            return _summarize(network, input_shape, dtype, device, rows)
    return _summarize(network, input_shape, dtype, "cpu", rows=2)


def _summarize(
    network: torch.nn.Module, input_shape: tuple[int, ...], dtype: torch.dtype, device: str, rows: int = 1
) -> Summary:
    import copy

    from torch.utils.flop_counter import FlopCounterMode

    shadow = _on(copy.deepcopy(network), device).eval()
    names = {module: name for name, module in shadow.named_modules()}
    shapes: dict[str, tuple[int, ...]] = {}
    steps: dict[str, int] = {}

    def note(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        name = names[module]
        shapes[name] = _shape_of(output)
        if isinstance(module, torch.nn.RNNBase | torch.nn.RNNCellBase):
            steps[name] = steps.get(name, 0) + _steps_of(module, inputs[0])

    for module in shadow.modules():
        module.register_forward_hook(note)
    counter = FlopCounterMode(display=False)
    with torch.device(device), torch.no_grad(), torch.random.fork_rng(devices=[]), counter:
        shadow(torch.full((rows, *input_shape), _no_padding(shadow), dtype=dtype))
    counts, prefix = counter.get_flop_counts(), type(shadow).__name__
    parameters = _owned_parameters(shadow, shapes)
    found = []
    for name, shape in shapes.items():
        inside = [other for other in shapes if _inside(other, name)]
        if inside and not parameters[name]:
            continue
        module = shadow.get_submodule(name)
        if name in steps:
            adds = steps[name] * sum(weight.numel() for key, weight in module.named_parameters() if "weight" in key)
        else:
            top = [other for other in inside if not any(_inside(other, between) for between in inside)]
            own, *below = (sum(counts.get(_key(prefix, other), {}).values()) for other in (name, *top))
            adds = (own - sum(below)) // (2 * rows)
        found.append(Row(name or prefix, type(module).__name__, shape, parameters[name], adds))
    return Summary(tuple(input_shape), tuple(found))


def _on(module: torch.nn.Module, device: str) -> torch.nn.Module:
    """Move a module to `device`; weights on the meta device become 0 on the CPU."""
    if device == "cpu" and any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        module = module.to_empty(device="cpu")
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.detach().zero_()
    return module.to(device)


def _no_padding(module: torch.nn.Module) -> int:
    """A token that no embedding takes for padding, so that every step is run."""
    padding = {getattr(part, "padding_idx", None) for part in module.modules()}
    tokens: list[int] = [1, 0, *range(2, len(padding) + 2)]
    return next(token for token in tokens if token not in padding)


def _owned_parameters(network: torch.nn.Module, ran: Collection[str]) -> dict[str, int]:
    """Parameter count per module that ran: its own parameters, and those of inner modules that did not run."""
    owned = dict.fromkeys(ran, 0)
    for path, parameter in network.named_parameters():  # a shared weight comes once
        owner = path.rpartition(".")[0]
        while owner not in owned and owner:
            owner = owner.rpartition(".")[0]
        owned[owner] = owned.get(owner, 0) + parameter.numel()
    return owned


def _inside(name: str, outer: str) -> bool:
    return name != outer and (not outer or name.startswith(f"{outer}."))


def _key(prefix: str, name: str) -> str:
    """A module's key in torch's FlopCounterMode: `prefix`, or `prefix.name`."""
    return f"{prefix}.{name}" if name else prefix


def _shape_of(output: Any) -> tuple[int, ...]:
    """Output shape without the batch axis; of several outputs the first one's."""
    while isinstance(output, tuple | list) and output:
        output = output[0]
    if isinstance(output, Mapping) and output:
        return _shape_of(next(iter(output.values())))
    return tuple(output.shape[1:]) if isinstance(output, torch.Tensor) else ()


def _steps_of(module: torch.nn.Module, x: Any) -> int:
    """Number of steps that a recurrent module runs in one call: 1 for a cell."""
    if isinstance(module, torch.nn.RNNCellBase):
        return 1
    if isinstance(x, torch.nn.utils.rnn.PackedSequence):
        return len(x.batch_sizes)
    return len(x[0]) if module.batch_first else len(x)
