"""Head replacement: a new last linear layer (or 1 x 1 convolution), all other weights kept.

Applies to a network, or to its spec. With both changed alike, a checkpoint of them can be loaded again.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.builder.layer_modules import layer_modules
from toolkit.builder.layer_spec import OWN, LayerSpec
from toolkit.builder.layers import find_layer
from toolkit.builder.spec import NetworkSpec

__all__ = ["change_head", "find_heads", "spec_with_head"]

_CONVOLUTIONS = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)


def change_head(network: torch.nn.Module, num_classes: int) -> list[str]:
    """Replace the head by a new one of `num_classes` outputs, initialised from torch's global random state.

    Auxiliary classifiers of the same width (torchvision's googlenet, inception_v3, segmentation
    networks) are replaced too. Precision, device, bias and training mode are those of the old head.

    Args:
        network: one of ours, of torchvision, or any that ends in a linear layer or a 1 x 1 convolution; activations and
            pooling may follow it. Changed in place.
        num_classes: outputs of the new head, at least 1.

    Returns:
        The names of the modules that were replaced, the main one first.

    Raises:
        SpecError: num_classes is not a whole number of at least 1, or the network ends in something else.
    """
    _whole(num_classes)
    paths = find_heads(network)
    for path in paths:
        old = network.get_submodule(path)
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, _fresh(old, num_classes).train(old.training))
    return paths


def find_heads(network: torch.nn.Module) -> list[str]:
    """The name of the head: the last module with weights. Auxiliary ones of the same width follow.

    Raises:
        SpecError: the last module with weights is neither linear nor a 1 x 1 convolution, or there is none.
    """
    with_weights = [
        (path, module)
        for path, module in network.named_modules()
        if path
        and not isinstance(module, torch.nn.PReLU)  # an activation, though it learns
        and any(parameter.numel() for parameter in module.parameters(recurse=False))
    ]
    # a parametrised weight (spectral norm) lives in a module below the layer itself
    with_weights = [(_owner(network, path), network.get_submodule(_owner(network, path))) for path, _ in with_weights]
    main = [(path, module) for path, module in with_weights if not _auxiliary(path)]
    if not main or not _is_head(main[-1][1]):
        found = f"ends in {type(main[-1][1]).__name__} ({main[-1][0]})" if main else "has no weights"
        raise SpecError(
            f"{type(network).__name__} {found}; a head can be changed where the last module with weights is a linear layer or a "
            f"1 x 1 convolution. Build the network with the new number of outputs, and load the weights that fit: load_weights."
        )
    path, head = main[-1]
    beside: dict[str, str] = {}  # the last of each auxiliary part
    for other, module in with_weights:
        part = _auxiliary(other)
        if part and _is_head(module) and _outputs(module) == _outputs(head):
            beside[part[0]] = other
    return [path, *beside.values()]


def _owner(network: torch.nn.Module, path: str) -> str:
    layer, found, _ = path.partition(".parametrizations")
    return layer if found else path


def _auxiliary(path: str) -> re.Match[str] | None:
    """'aux1.fc2' -> 'aux1'; None for a part of the network itself."""
    return re.match(r"(?:.*\.)?aux[^.]*", path, re.IGNORECASE)


def _is_head(module: torch.nn.Module) -> bool:
    if isinstance(module, torch.nn.Linear):
        return True
    return isinstance(module, _CONVOLUTIONS) and math.prod(module.kernel_size) == 1 and module.groups == 1


def _outputs(module: torch.nn.Module) -> int:
    width = module.out_features if isinstance(module, torch.nn.Linear) else module.out_channels
    assert isinstance(width, int)
    return width


def _fresh(old: torch.nn.Module, num_classes: int) -> torch.nn.Module:
    weight = old.weight
    assert isinstance(weight, torch.Tensor)
    options: dict[str, Any] = {"bias": old.bias is not None, "device": weight.device, "dtype": weight.dtype}
    if isinstance(old, torch.nn.Linear):
        return torch.nn.Linear(old.in_features, num_classes, **options)
    assert isinstance(old, _CONVOLUTIONS)
    kind = next(kind for kind in _CONVOLUTIONS if isinstance(old, kind))
    return kind(old.in_channels, num_classes, old.kernel_size, old.stride, old.padding, **options)  # type: ignore[arg-type]


def _whole(num_classes: Any) -> None:
    if not isinstance(num_classes, int) or isinstance(num_classes, bool) or num_classes < 1:
        raise SpecError(f"num_classes={num_classes!r} was given; a whole number of at least 1 is expected.")


def spec_with_head(spec: NetworkSpec, num_classes: int) -> NetworkSpec:
    """The spec with `num_classes` outputs. The network built from it takes the weights of one changed by `change_head`.

    The head is the last layer with weights: ``linear``, ``conv2d`` with a kernel of 1, or a whole network with
    ``num_classes`` or ``out_features``. Activations, pooling, dropout and the like may follow it.

    Raises:
        SpecError: num_classes is not a whole number of at least 1, or the last layer with weights is another one.
    """
    _whole(num_classes)
    for index in reversed(range(len(spec.layers))):
        entry = spec.layers[index]
        changed = _with_width(entry, num_classes)
        if changed is not None:
            layers = (*spec.layers[:index], changed, *spec.layers[index + 1 :])
            width = None if spec.num_classes is None else num_classes
            return dataclasses.replace(spec, layers=layers, num_classes=width)
        if entry.layer is not None and _has_weights(entry):
            raise SpecError(
                f"layer {index + 1} {entry.title!r} is the last one with weights; a head can be changed where that is a linear "
                f"layer, a conv2d with kernel_size=1, or a network with num_classes. Describe the new network in full."
            )
    raise SpecError("The description has no layer with weights, so it has no head to change. Add a linear layer.")


def _with_width(entry: LayerSpec, num_classes: int) -> LayerSpec | None:
    """The layer with another number of outputs, or None where it cannot be a head."""
    if entry.layer in (None, OWN):
        return None
    parameters, arguments = find_layer(str(entry.layer)).parameters, dict(entry.arguments)
    for name in ("num_classes", "out_features"):
        if name in parameters:
            return dataclasses.replace(entry, arguments={**arguments, name: num_classes})
    one_by_one = entry.layer in ("conv1d", "conv2d", "conv3d") and _is_one(arguments.get("kernel_size"))
    if entry.layer not in ("linear", "unet") and not one_by_one:
        return None
    size = arguments.get("size")
    pair = (size[0], num_classes) if isinstance(size, list | tuple) else num_classes
    return dataclasses.replace(entry, arguments={**arguments, "size": pair})


def _is_one(kernel: Any) -> bool:
    return set(kernel if isinstance(kernel, list | tuple) else (kernel,)) == {1}


def _has_weights(entry: LayerSpec) -> bool:
    """True if a layer has weights, found by building it, or if it cannot be built by itself."""
    try:
        with torch.device("meta"):
            modules = layer_modules(dataclasses.replace(entry, activation=None), 1, ())
    except (SpecError, TypeError):  # arguments that are not filled in yet
        return True
    return any(True for _, module in modules for _ in module.parameters())
