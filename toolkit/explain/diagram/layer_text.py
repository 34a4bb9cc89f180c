"""A layer's main arguments in a few words, and the family it belongs to."""

from __future__ import annotations

import re
from typing import Any

import torch

from toolkit.explain.diagram.flow import Call

__all__ = ["arguments_text", "count_layers", "family"]

_FAMILIES = (  # part of a class's name -> family; the first that fits
    ("conv", "convolution"),
    ("pool", "pooling"),
    ("norm", "normalization"),
    ("dropout", "shape"),
    ("attention", "sequence"),
    ("lstm", "sequence"),
    ("gru", "sequence"),
    ("rnn", "sequence"),
    ("embedding", "sequence"),
    ("linear", "linear"),
)


def family(call: Call) -> str:
    """Layer family: convolution, linear, pooling, normalization, activation, sequence, shape, block or function."""
    if call.module is None:
        return "function"
    if call.has_layers:
        return "block"
    kind = call.kind.lower()
    for part, name in _FAMILIES:
        if part in kind:
            return name
    return "activation" if type(call.module).__module__ == "torch.nn.modules.activation" else "shape"


def arguments_text(call: Call) -> str:
    """A layer's main arguments, such as ``1 → 6, 5×5, padding 2``."""
    module: Any = call.module
    if module is None:
        return ""
    if call.has_layers:
        count = count_layers(call)
        return f"{count} layer{'s' * (count != 1)} inside"
    if isinstance(module, torch.nn.modules.conv._ConvNd):
        words = [f"{module.in_channels} → {module.out_channels}", _window(module, module.kernel_size)]
        words += _unless(module, stride=1, padding=0, dilation=1, groups=1)
    elif isinstance(module, (torch.nn.Linear, torch.nn.LazyLinear)):
        words = [f"{module.in_features} → {module.out_features}"]
    elif isinstance(module, torch.nn.Embedding):
        words = [f"{module.num_embeddings} → {module.embedding_dim}"]
    elif isinstance(module, torch.nn.RNNBase):
        words = [f"{module.input_size} → {module.hidden_size}"]
        words += [f"{module.num_layers} layers"] * (module.num_layers > 1) + ["both ways"] * module.bidirectional
    elif isinstance(module, torch.nn.MultiheadAttention):
        words = [f"{module.embed_dim} features", f"{module.num_heads} heads"]
    elif hasattr(module, "kernel_size") and family(call) == "pooling":
        words = [_window(module, module.kernel_size)]
        words += [] if module.stride in (None, module.kernel_size) else _unless(module, stride=1)
        words += _unless(module, padding=0)
    elif hasattr(module, "output_size") and family(call) == "pooling":
        words = [f"to {_window(module, module.output_size)}"]
    elif hasattr(module, "p") and "dropout" in call.kind.lower():
        words = [f"p = {module.p:g}"]
    elif isinstance(module, torch.nn.GroupNorm):
        words = [f"{module.num_channels} features in {module.num_groups} groups"]
    elif family(call) == "normalization":
        size = getattr(module, "num_features", None) or getattr(module, "normalized_shape", None)
        words = [f"{_size(size)} feature{'s' * (size not in (1, (1,)))}"] if size else [module.extra_repr()]
    else:
        words = [
            part
            for part in module.extra_repr().split(", ")
            if part and not part.startswith("inplace") and not part.endswith("=None")
        ]
    if getattr(module, "bias", True) is None and family(call) in ("convolution", "linear"):
        words.append("no bias")
    return ", ".join(words)


def count_layers(call: Call) -> int:
    """Number of leaf layers that ran in a call; 1 for a leaf layer."""
    if not call.has_layers:
        return 1
    inner = [entry for entry in call.calls if entry.module is not None]
    return sum(count_layers(entry) for entry in inner)


def _unless(module: Any, **usual: int) -> list[str]:
    """Text of the arguments that differ from their usual values."""
    found = []
    for name, value in usual.items():
        given = getattr(module, name, value)
        if (set(given) if isinstance(given, tuple) else {given}) != {value}:
            found.append(f"{name} {_size(given)}")
    return found


def _window(module: torch.nn.Module, value: Any) -> str:
    """(3, 3) -> '3×3', and so is 3 where the class is one for two axes, such as MaxPool2d."""
    axes = re.search(r"(\d)d", type(module).__name__)
    if not isinstance(value, (tuple, list)):
        value = (value,) * (int(axes[1]) if axes else 1)
    return "×".join("any" if length is None else str(length) for length in value)


def _size(value: Any) -> str:
    """(3, 3) -> '3', (3, 5) -> '3×5'."""
    if isinstance(value, (tuple, list)):
        return str(value[0]) if len(set(value)) == 1 else "×".join(map(str, value))
    return str(value)
