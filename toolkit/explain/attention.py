"""Attention maps: the weights of attention layers for one input, and their heat maps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from runtime.errors import InputError, SpecError
from toolkit.explain.evaluation import as_input, evaluation, run
from toolkit.explain.figures import INK, MUTED, SEQUENTIAL, figure_bytes

__all__ = ["attention_maps", "attention_png"]

_MOST_NAMED = 40  # positions whose names are written


def attention_maps(network: torch.nn.Module, inputs: torch.Tensor | np.ndarray) -> dict[str, np.ndarray]:
    """The attention weights of one input: path of each attention layer -> float32 (heads, queries, keys).

    Rows sum to 1. Layers are those that call `torch.nn.functional.scaled_dot_product_attention`, and
    `torch.nn.MultiheadAttention`, by themselves or inside of torch's transformer layers.

    Args:
        network: any module.
        inputs: one input (1, ...), as the network takes it.

    Raises:
        InputError: it is not one input, or the network cannot take it.
        SpecError: the network runs no attention layer.
    """
    tensor = as_input(network, inputs)
    if len(tensor) != 1:
        raise InputError(f"{len(tensor)} inputs were given; one is looked at at a time, such as x[:1].")
    with evaluation(network), torch.no_grad(), _weights(network) as found:
        run(network, tensor)
    if not found:
        raise SpecError(
            "The network runs no attention layer, so there are no weights to show. Add one, such as multihead_attention."
        )
    return found


def attention_png(
    weights: np.ndarray, tokens: Sequence[str] = (), *, title: str = "Attention", dpi: int = 110
) -> bytes:
    """Attention weights (heads, queries, keys) -> PNG, one heat map per head: rows are queries, columns keys.

    Args:
        weights: as `attention_maps` gives them for one layer.
        tokens: text of each position; without it, or with more than 40, positions are numbered.
        title: above the picture.
        dpi: pixels per inch.

    Raises:
        InputError: `weights` has another number of axes.
    """
    from matplotlib.figure import Figure

    if weights.ndim != 3:
        raise InputError(f"Weights of shape {weights.shape} were given; (heads, queries, keys) is expected.")
    heads, queries, keys = weights.shape
    columns = min(heads, 4)
    rows = math.ceil(heads / columns)
    named = len(tokens) == keys == queries and keys <= _MOST_NAMED
    side = min(7.0, max(2.6, 0.2 * keys)) if named else 2.8
    figure = Figure(figsize=(side * columns + 1.2, (side + 0.4) * rows + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    top = float(weights.max()) or 1.0
    image: Any = None
    for head, axes in enumerate(panels):
        if head >= heads:
            axes.set_axis_off()
            continue
        image = axes.imshow(weights[head], cmap=SEQUENTIAL, vmin=0, vmax=top, interpolation="nearest")
        axes.set_title(f"head {head}", loc="left", fontsize=10, color=MUTED)
        axes.tick_params(labelsize=8, colors=MUTED, length=2)
        axes.spines[:].set_visible(False)
        if named:
            axes.set_xticks(range(keys), tokens, rotation=90, parse_math=False)
            axes.set_yticks(range(queries), tokens if head % columns == 0 else [""] * queries, parse_math=False)
    bar = figure.colorbar(image, ax=list(panels), shrink=0.8, aspect=30, pad=0.02)
    bar.set_label("share of attention", color=MUTED, fontsize=9)
    bar.ax.tick_params(labelsize=8, colors=MUTED)
    bar.outline.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK, parse_math=False)
    return figure_bytes(figure, title=f"{title}: {heads} heads over {keys} positions", dpi=dpi)


@contextmanager
def _weights(network: torch.nn.Module) -> Iterator[dict[str, np.ndarray]]:
    """Context manager: {layer path: weights} of every attention that runs inside it."""
    watch = _Watch()
    with ExitStack() as stack:
        for name, module in network.named_modules():
            stack.callback(module.register_forward_pre_hook(watch.entered(name or "attention")).remove)
            if isinstance(module, torch.nn.MultiheadAttention):
                stack.callback(module.register_forward_pre_hook(_ask_for_weights, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(watch.left).remove)
        stack.enter_context(watch)
        yield watch.found


class _Watch(TorchFunctionMode):
    """Torch function mode that records attention weights, and tracks the running layer by hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[str] = []
        self.found: dict[str, np.ndarray] = {}

    def entered(self, name: str) -> Any:
        return lambda _module, _inputs: self.running.append(name)

    def left(self, module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        name = self.running.pop()
        if isinstance(module, torch.nn.MultiheadAttention):
            self._note(name, output[1])

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.nn.functional.scaled_dot_product_attention and self.running:
            self._note(self.running[-1], _attention_weights(*args, **kwargs))
        return function(*args, **kwargs)

    def _note(self, name: str, weights: torch.Tensor) -> None:
        self.found[name] = weights.reshape(-1, *weights.shape[-2:]).float().cpu().numpy()


def _ask_for_weights(_module: torch.nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Forward pre-hook of torch.nn.MultiheadAttention: request the weights per head, keep the first four arguments."""
    rest = zip(("need_weights", "attn_mask", "average_attn_weights", "is_causal"), inputs[4:], strict=False)
    return inputs[:4], {**dict(rest), **keywords, "need_weights": True, "average_attn_weights": False}


def _attention_weights(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Recompute the weights (..., L, S) of `torch.nn.functional.scaled_dot_product_attention`."""
    if enable_gqa:  # several heads of the query share one of the key
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1)
