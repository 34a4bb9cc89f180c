"""Forward trace: the data flow between a network's layers, nested by block, recorded in one run."""

from __future__ import annotations

import contextlib
import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from toolkit.explain.evaluation import evaluation, run

__all__ = ["INPUT", "Call", "trace_flow"]

_NAMES = {"iadd": "add", "isub": "sub", "imul": "mul", "concat": "cat", "concatenate": "cat"}
INPUT = -1  # the block's input, among the positions of its calls


@dataclass
class Call:
    """One run of one module, or of a function that joins several tensors.

    Attributes:
        name: the module's path; "" for the whole network and for functions.
        kind: the module's class, or the function's name, such as "add" and "cat".
        module: None for functions.
        input_shape: of its first tensor, without the batch axis.
        output_shape: of its first tensor, without the batch axis.
        sources: origins of its inputs: positions among the calls of the enclosing block, or `INPUT`.
        calls: what ran inside it, in order.
        output: positions among `calls` (or `INPUT`) where its output comes from.
    """

    name: str
    kind: str
    module: torch.nn.Module | None
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()
    calls: list[Call] = field(default_factory=list)
    output: tuple[int, ...] = ()

    @property
    def has_layers(self) -> bool:
        """True if the modules that ran inside should be shown in place of this one.

        False where most of the weights are its own, as in attention, or where it runs one module with weights again
        and again, as a recurrent layer does with its cell.
        """
        inner = Counter(
            call.name
            for call in self.calls
            if call.module is not None and next(call.module.parameters(), None) is not None
        )
        if self.module is None or all(call.module is None for call in self.calls) or max(inner.values(), default=0) > 2:
            return False
        own = sum(parameter.numel() for parameter in self.module.parameters(recurse=False))
        return 2 * own <= sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def branched(self) -> bool:
        """True if data takes more than one path through it: some inner call has inputs other than the previous call."""
        straight = all(call.sources == (position - 1,) for position, call in enumerate(self.calls))
        return not (straight and self.output == (len(self.calls) - 1,))


def trace_flow(network: torch.nn.Module, input_shape: Sequence[int], *, dtype: torch.dtype = torch.float32) -> Call:
    """Trace the data flow of one run on an input of `input_shape` (without the batch axis).

    A copy runs on the meta device, which computes shapes only; a network that cannot run there, or only slowly, gets
    a constant input. Functions between modules are recorded where they join several tensors; others, such as a reshape,
    belong to the arrow. Masks (bool tensors) are not data and get no arrow.

    Raises:
        InputError: the network cannot take the input.
    """
    shape, token = (1, *input_shape), _no_padding(network)
    walks = any(isinstance(module, (torch.nn.RNNBase, torch.nn.RNNCellBase)) for module in network.modules())
    if not walks:  # on the meta device every step of a recurrent layer takes its time
        # not every operation knows the meta device, and not every module can be copied
        with contextlib.suppress(Exception), torch.device("meta"):
            return _traced(_shadow(network), torch.full(shape, token, dtype=dtype))
    network = _with_numbers(network)
    weights = next(network.parameters(), torch.empty(0))
    return _traced(network, torch.full(shape, token, dtype=dtype, device=weights.device))


def _no_padding(network: torch.nn.Module) -> int:
    """A token that no embedding takes for padding: an input of padding only would leave nothing to attend to."""
    padding = {getattr(module, "padding_idx", None) for module in network.modules()}
    return next(token for token in range(len(padding) + 1) if token not in padding)


def _shadow(network: torch.nn.Module) -> torch.nn.Module:
    """A copy on the meta device, made without copying the weights."""
    weights: dict[int, Any] = {
        id(entry): torch.nn.Parameter(torch.empty_like(entry, device="meta"), requires_grad=False)
        for entry in network.parameters()
    }
    weights |= {id(entry): torch.empty_like(entry, device="meta") for entry in network.buffers()}
    return copy.deepcopy(network, weights).to("meta")


def _with_numbers(network: torch.nn.Module) -> torch.nn.Module:
    """The network; where it lies on the meta device, a copy on the CPU filled with zeros."""
    state = [*network.parameters(), *network.buffers()]
    if not any(entry.is_meta for entry in state):
        return network
    copied = copy.deepcopy(network).to_empty(device="cpu")
    for entry in (*copied.parameters(), *copied.buffers()):
        entry.detach().zero_()
    return copied


def _traced(network: torch.nn.Module, tensor: torch.Tensor) -> Call:
    watch = _Watch(network)
    with ExitStack() as stack:
        stack.enter_context(evaluation(network))
        stack.enter_context(torch.no_grad())
        for name, module in network.named_modules():
            entered, left = watch.listeners(name)
            stack.callback(module.register_forward_pre_hook(entered, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(left).remove)
        stack.enter_context(watch)
        run(network, tensor)
    return watch.root


class _Frame:
    """Running block of the trace, with the originating call of each tensor in it."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.origins: dict[int, int] = {}  # id of a tensor -> position among the calls

    def sources(self, value: Any) -> tuple[int, ...]:
        found = (self.origins.get(id(tensor)) for tensor in _tensors(value) if tensor.dtype != torch.bool)
        return tuple(dict.fromkeys(origin for origin in found if origin is not None))

    def mark(self, value: Any, origin: int) -> None:
        for tensor in _tensors(value):
            self.origins[id(tensor)] = origin


class _Watch(TorchFunctionMode):
    """Torch function mode that propagates the origins of tensors, and keeps the stack of running blocks."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.root = Call("", type(network).__name__, network)
        self.stack = [_Frame(self.root)]
        self.alive: list[torch.Tensor] = []  # while it lives, no other tensor gets its id

    def listeners(self, name: str) -> tuple[Any, Any]:
        def entered(module: torch.nn.Module, inputs: Any, keywords: Any) -> None:
            if name:
                sources = self.stack[-1].sources((inputs, keywords))
                self.stack.append(_Frame(Call(name, type(module).__name__, module, sources=sources)))
            frame = self.stack[-1]
            frame.call.input_shape = _shape((inputs, keywords))
            frame.mark((inputs, keywords), INPUT)
            self.alive.extend(_tensors((inputs, keywords)))

        def left(_module: torch.nn.Module, _inputs: Any, result: Any) -> None:
            frame = self.stack[-1]
            frame.call.output = frame.sources(result)
            frame.call.output_shape = _shape(result)
            if name:
                self.stack.pop()
                self._add(frame.call, result)

        return entered, left

    def _add(self, call: Call, result: Any) -> None:
        frame = self.stack[-1]
        frame.call.calls.append(call)
        frame.mark(result, len(frame.call.calls) - 1)
        self.alive.extend(_tensors(result))

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        frame = self.stack[-1]
        sources = frame.sources((args, kwargs or {}))
        if sources and next(_tensors(result), None) is not None:
            if len(sources) > 1:
                name = getattr(function, "__name__", "join").strip("_")
                name = _NAMES.get(name, name)
                self._add(Call("", name, None, _shape(args), _shape(result), sources), result)
            else:
                frame.mark(result, sources[0])
                self.alive.extend(_tensors(result))
        return result


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _tensors(entry)
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from _tensors(entry)


def _shape(value: Any) -> tuple[int, ...]:
    tensor = next(_tensors(value), None)
    return () if tensor is None else tuple(tensor.shape[1:])
