"""Forward hooks: record the outputs of any network's layers."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from runtime.errors import SpecError, suggest

__all__ = ["LayerCall", "find_layers", "first_tensor", "record", "record_calls"]


@dataclass(frozen=True)
class LayerCall:
    """One call of one layer: its path, its first input tensor and its first output tensor."""

    name: str
    input: torch.Tensor
    output: torch.Tensor


def find_layers(network: torch.nn.Module, names: str | Sequence[str]) -> list[str]:
    """Paths of the modules that match `names`, in the order of the network.

    Args:
        network: any module.
        names: one or several paths as in `named_modules()`; ``*`` stands for anything, dots included, ``?`` for one
            character. A path that exists is taken as it is.

    Raises:
        SpecError: a name matches no layer.
    """
    known = [name for name, _ in network.named_modules() if name]
    found: set[str] = set()
    for pattern in [names] if isinstance(names, str) else names:
        matches = [pattern] if pattern in known else fnmatch.filter(known, str(pattern))
        if not matches and pattern != "*":  # a module without modules inside has no layers, and that is all of them
            raise SpecError(f"The network has no layer {pattern!r}.{suggest(str(pattern), known)}")
        found.update(matches)
    return [name for name in known if name in found]


@contextmanager
def record(
    network: torch.nn.Module, names: str | Sequence[str] = "*", *, gradients: bool = False
) -> Iterator[dict[str, torch.Tensor]]:
    """Context manager: {path: output} of the named layers, in the order in which they ran last.

    A layer that returns several tensors (a recurrent layer, say) gives its first. A layer that runs several times gives
    its last output. Later in-place operations do not change a recorded output.

    Args:
        network: any module.
        names: as in `find_layers`.
        gradients: keep the tensors part of the graph, so that `torch.autograd.grad` can be asked about them (layers
            that return one tensor); otherwise they are copies without a graph.

    Raises:
        SpecError: a name matches no layer.
    """
    modules = dict(network.named_modules())
    outputs: dict[str, torch.Tensor] = {}

    def listener(name: str) -> Any:
        def listen(_module: torch.nn.Module, _inputs: Any, output: Any) -> torch.Tensor | None:
            tensor = first_tensor(output)
            if tensor is None:
                return None
            outputs.pop(name, None)
            if not (gradients and tensor.is_floating_point()):
                outputs[name] = tensor.detach().clone()
                return None
            # frozen weights give a tensor without a graph: it becomes the graph's beginning
            outputs[name] = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
            # what follows works on a copy: an operation in place would put itself between the layer and its gradient
            return outputs[name].clone() if isinstance(output, torch.Tensor) else None

        return listen

    with ExitStack() as stack:
        for name in find_layers(network, names):
            stack.callback(modules[name].register_forward_hook(listener(name)).remove)
        yield outputs


@contextmanager
def record_calls(network: torch.nn.Module, *kinds: type[torch.nn.Module]) -> Iterator[list[LayerCall]]:
    """Context manager: every call of modules of the given classes, in order. The tensors keep their graph."""
    calls: list[LayerCall] = []

    def listener(name: str) -> Any:
        def listen(_module: torch.nn.Module, inputs: Any, keywords: Any, output: Any) -> None:
            entered, left = first_tensor((inputs, keywords)), first_tensor(output)
            if entered is not None and left is not None:
                calls.append(LayerCall(name, entered.clone(), left))  # a copy: what is entered may be overwritten later

        return listen

    with ExitStack() as stack:
        for name, module in network.named_modules():
            if isinstance(module, kinds):
                stack.callback(module.register_forward_hook(listener(name), with_kwargs=True).remove)
        yield calls


def first_tensor(value: Any) -> torch.Tensor | None:
    """The first tensor in nested tuples, lists and mappings, or None."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        for entry in value:
            found = first_tensor(entry)
            if found is not None:
                return found
    return None
