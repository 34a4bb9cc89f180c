"""Intermediate tensors of a torch network: every module's output with its ancestors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from exporters.comparing.steps import Step, Steps
from exporters.forward.results import flat_outputs
from exporters.subject.subject import Subject

__all__ = ["torch_steps"]

# The bit of what depends on the inputs at all; steps have the bits behind it.
_INPUT = 1


def torch_steps(subject: Subject, inputs: tuple[torch.Tensor, ...]) -> Steps:
    """Run the network on `inputs` once, and keep a copy of each module's first tensor.

    What a tensor came from is told from torch's own operators, so that additions and functions between modules count.
    Modules that run inside one fused operator make no tensor and are no steps.
    """
    watch = _Origins(inputs)
    steps: list[Step] = []
    kept: dict[int, torch.Tensor] = {}

    def ended(name: str, module: torch.nn.Module, result: Any) -> None:
        tensors = [part for part in flat_outputs(result) if isinstance(part, torch.Tensor)]
        if not tensors or tensors[0].is_quantized:
            return
        tensor = tensors[0]
        ancestors = watch.of(tensor)
        if not ancestors & _INPUT or id(tensor) in kept:
            return  # a constant, or what the last module within this one made
        kept[id(tensor)] = tensor  # held, so that no other tensor gets its identity
        values = np.array(tensor.detach().cpu().float().numpy() if tensor.is_floating_point() else tensor.cpu().numpy())
        watch.add([part for part in tensors if isinstance(part, torch.Tensor)], 2 << len(steps))
        steps.append(Step(name, type(module).__name__, values, ancestors >> 1))

    handles = [
        module.register_forward_hook(lambda module, _inputs, result, name=name: ended(name, module, result))
        for name, module in _modules(subject.module)
    ]
    try:
        with torch.no_grad(), watch:
            results = subject.module(*inputs)
        outputs = {name: watch.of(result) >> 1 for name, result in zip(subject.output_names, results, strict=True)}
    finally:
        for handle in handles:
            handle.remove()
    return Steps(tuple(steps), outputs)


def _modules(module: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """(path, module) within the user's network, without the wrapper around it."""
    for name, child in module.named_modules():
        if name and name != "module" and not isinstance(child, torch.jit.ScriptModule):
            yield name.removeprefix("module."), child


class _Origins(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Provenance of tensor storages: a bit mask of the inputs and steps each was computed from. Views share a storage."""

    def __init__(self, inputs: tuple[torch.Tensor, ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bits: dict[int, int] = {}
        self._held: list[torch.UntypedStorage] = []
        self.add(inputs, _INPUT)

    def of(self, tensor: torch.Tensor) -> int:
        """Provenance bits of a tensor."""
        return self._bits.get(tensor.untyped_storage()._cdata, 0)

    def add(self, tensors: Any, bits: int) -> None:
        """Add provenance bits to the storages of these tensors."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage._cdata not in self._bits:
                self._held.append(storage)  # so that its address is not given to another
            self._bits[storage._cdata] = self._bits.get(storage._cdata, 0) | bits

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        bits = 0
        for part in flat_outputs([args, kwargs or {}]):
            if isinstance(part, torch.Tensor) and part.layout == torch.strided:
                bits |= self.of(part)
        made = [part for part in flat_outputs(result) if isinstance(part, torch.Tensor)]
        self.add([part for part in made if part.layout == torch.strided], bits)
        return result
