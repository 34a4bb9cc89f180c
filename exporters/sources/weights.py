"""Weights files: reading, and strict loading into an architecture."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from runtime.errors import CheckpointError, MissingPackageError
from toolkit.training.pretrained.load_weights import read_weights

__all__ = ["fit_weights", "read_safetensors", "weights_within"]

# What other programs keep beside the weights that are run with; these average over the training and are preferred there.
_AVERAGES = ("ema", "model_ema", "state_dict_ema", "ema_state_dict")
# What torch.compile, DataParallel and training frameworks put before every name.
_PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.", "backbone.", "encoder.")


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file: name -> tensor.

    Raises:
        CheckpointError: it cannot be read.
        MissingPackageError: its package is not installed.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"Reading {path}", "safetensors", "train") from error
    try:
        found: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise CheckpointError(
            f"{path} is cut short or is not a safetensors file: {reason}. Fetch or save it again."
        ) from error
    return found


def weights_within(content: Any, path: Path) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """Extract the weights of a torch.save file: (name -> tensor, notes). Raises CheckpointError without weights."""
    if isinstance(content, Mapping):
        for key in _AVERAGES:
            inner = content.get(key)
            if isinstance(inner, Mapping) and any(isinstance(value, torch.Tensor) for value in inner.values()):
                return read_weights(inner), (f"the averaged weights under {key!r} were taken",)
    try:
        return read_weights(content if isinstance(content, Mapping) else {}), ()
    except CheckpointError as error:
        held = ", ".join(repr(key) for key in list(content)[:6]) if isinstance(content, Mapping) else ""
        inside = f"holds {held}" if held else f"is a {type(content).__name__}"
        raise CheckpointError(
            f"{path} {inside}, and no weights among it: names with tensors are expected, as torch.save(model.state_dict(), "
            f"'weights.pth') writes them."
        ) from error


def fit_weights(
    module: torch.nn.Module, weights: Mapping[str, torch.Tensor], source: str, arch: str
) -> tuple[str, ...]:
    """Load weights strictly, after removing prefixes that other programs add to every name.

    Returns:
        Notes on changes to the names.

    Raises:
        CheckpointError: a name is missing or left over, or a shape differs; names the first few of each.
    """
    ours = {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    fitted, taken_off = _without_prefixes(weights, ours)
    counters = {name for name in ours if name.endswith("num_batches_tracked")}
    missing = [name for name in ours if name not in fitted and name not in counters]
    left = [name for name in fitted if name not in ours]
    differing = [
        f"{name} is {tuple(fitted[name].shape)} in the file and {tuple(value.shape)} in the network"
        for name, value in ours.items()
        if name in fitted and fitted[name].shape != value.shape
    ]
    if missing or left or differing:
        raise CheckpointError(_misfit(source, arch, ours, fitted, missing, left, differing))
    chosen = dict(fitted)
    for name in counters - set(fitted):
        chosen[name] = ours[name]  # of no use in evaluation mode, and left out by some writers
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.load_state_dict(chosen, strict=True)
    except Exception as error:  # a module may have a loading of its own, which may raise anything
        reason = " ".join(str(error).split()).rstrip(".")[:300]
        raise CheckpointError(f"{arch} refused the weights of {source}: {reason}.") from error
    note: tuple[str, ...] = (f"{''.join(taken_off)!r} was taken off the names of the weights",) if taken_off else ()
    kinds = {str(value.dtype).removeprefix("torch.") for value in fitted.values() if value.is_floating_point()}
    if kinds & {"float16", "bfloat16"} and all(value.dtype == torch.float32 for value in module.parameters()):
        note += (f"the weights are stored as {', '.join(sorted(kinds))} and were read as float32",)
    return note


def _without_prefixes(
    weights: Mapping[str, torch.Tensor], ours: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Strip common prefixes, as long as that makes more names known."""
    found, taken_off = dict(weights), []
    while True:
        known = sum(name in ours for name in found)
        for prefix in _PREFIXES:
            if found and all(name.startswith(prefix) for name in found):
                shorter = {name.removeprefix(prefix): value for name, value in found.items()}
                if known == 0 or sum(name in ours for name in shorter) > known:
                    found = shorter
                    taken_off.append(prefix)
                    break
        else:
            known_by_name = any(name in ours for name in found)
            return (found, taken_off) if known_by_name else (dict(weights), [])


def _misfit(
    source: str,
    arch: str,
    ours: Mapping[str, Any],
    fitted: Mapping[str, Any],
    missing: list[str],
    left: list[str],
    differing: list[str],
) -> str:
    matching = sum(name in ours for name in fitted) - len(differing)
    parts = [
        f"missing from the file: {_few(missing)}" if missing else "",
        f"not in the network: {_few(left)}" if left else "",
        f"of other shapes: {_few(differing, 3)}" if differing else "",
    ]
    if not matching and not differing:
        remedy = "Name the architecture that the weights were made with (--arch)."
    elif differing and not missing and not left:
        remedy = "Give the architecture the sizes that the weights were made with, such as --arch-args '{\"num_classes\": 10}'."
    else:
        remedy = (
            "Name the architecture that they were made with (--arch), with its arguments (--arch-args); weights are never loaded "
            "in part."
        )
    return f"The weights in {source} do not fit {arch}: {matching} of its {len(ours)} do. {'; '.join(filter(None, parts))}. {remedy}"


def _few(names: Iterable[str], count: int = 4) -> str:
    listed = list(names)
    more = f" and {len(listed) - count} more" if len(listed) > count else ""
    return ", ".join(listed[:count]) + more
