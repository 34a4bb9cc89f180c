"""Load weights of any origin into a network, by name and shape, with a report of the matches."""

from __future__ import annotations

import copy
import math
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from runtime.console import table
from runtime.errors import CheckpointError, InputError, MissingPackageError
from runtime.regular_file import require_file
from toolkit.training.checkpoints.checkpoint import read_plain
from toolkit.training.pretrained.weights_layout import StoredWeights, stored_weights

__all__ = ["WeightsReport", "load_weights", "read_safetensors", "read_weights"]


@dataclass(frozen=True)
class WeightsReport:
    """Report of loaded weights.

    Attributes:
        source: the file, or what the weights came from.
        matched: names that were loaded.
        missing: names of the network that the source lacks; unchanged.
        unexpected: names of the source that the network lacks; they were not used.
        mismatched: name -> (shape in the network, shape in the source); unchanged.
        loaded: number of parameter elements loaded.
        total: number of parameter elements of the network.
    """

    source: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    loaded: int
    total: int

    @property
    def share(self) -> float:
        """Loaded share of the network's parameter elements, from 0 to 1."""
        return self.loaded / self.total if self.total else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "source": self.source,
            "matched": list(self.matched),
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
            "mismatched": {
                name: {"network": list(ours), "source": list(theirs)}
                for name, (ours, theirs) in self.mismatched.items()
            },
            "loaded": self.loaded,
            "total": self.total,
            "share": self.share,
        }

    def __str__(self) -> str:
        """Summary sentence, and a table of the mismatches where there are any."""
        said = (
            f"{len(self.matched)} of {len(self.matched) + len(self.missing) + len(self.mismatched)} weights were loaded from "
            f"{self.source}: {self.loaded:,} of {self.total:,} parameters ({_percent(self.share)})."
        )
        rows = [
            *((name, "another shape", f"{theirs} in {ours}") for name, (ours, theirs) in self.mismatched.items()),
            *((name, "not in the source", "") for name in self.missing),
            *((name, "not in the network", "") for name in self.unexpected),
        ]
        return f"{said}\n{table(('weight', 'left out', 'shapes'), rows)}" if rows else said


def _percent(share: float) -> str:
    """Rounded down: 100 % are all of them."""
    return f"{math.floor(share * 1000) / 10:.1f}%"


def load_weights(
    network: torch.nn.Module,
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    strict: bool = False,
    name: str | None = None,
) -> WeightsReport:
    """Load every weight whose name and shape match; the others are unchanged. On an error nothing is loaded.

    Args:
        network: takes the weights, in its own precision and on its own device.
        source: a checkpoint of ours, a .pth file of weights alone or nested in another program's checkpoint, a .safetensors
            file, or such a mapping itself. Names may begin with the prefix of any wrapper.
        strict: refuse unless all names and shapes agree.
        name: name of the source in the report.

    Raises:
        CheckpointError: the file cannot be read, holds no weights, none of them fits, or `strict` and not all fit.
        InputError: the source is neither a path nor a mapping.
        MissingPackageError: a .safetensors file is given and its package is not installed.
    """
    if not isinstance(source, str | os.PathLike | Mapping):
        raise InputError(
            f"A {type(source).__name__} was given as weights; a file or a mapping from names to tensors is expected, such as "
            f"'weights.pth' or model.state_dict()."
        )
    label = name or (str(source) if not isinstance(source, Mapping) else "the given weights")
    ours = network.state_dict()
    content = source if isinstance(source, Mapping) else read_weights(source, name)
    _must_hold_weights(content, name or "The given mapping")
    theirs = _fitting(content, ours)
    before = copy.deepcopy(ours)
    try:
        report = _copy_in(network, theirs, ours, label)
        if not report.matched:
            raise CheckpointError(_nothing_fits(label, network, ours, theirs.tensors, report.mismatched))
        if strict and (report.missing or report.unexpected or report.mismatched):
            raise CheckpointError(_not_all_fit(report))
    except CheckpointError:
        _put_back(network, before)
        raise
    return report


def read_weights(source: str | os.PathLike[str], name: str | None = None) -> Mapping[str, Any]:
    """Content of a weights file: mappings, with name -> tensor at some depth. Nothing in the file is executed.

    Args:
        source: the file.
        name: the file's in errors; its path by default.

    Raises:
        CheckpointError: the file cannot be read, or there is no tensor in it.
        MissingPackageError: a .safetensors file is given and its package is not installed.
    """
    safe = Path(source).suffix.lower() == ".safetensors"
    content = read_safetensors(Path(source)) if safe else read_plain(source)
    _must_hold_weights(content, name or str(source))
    return content if isinstance(content, Mapping) else {"content": content}


def _must_hold_weights(content: Any, where: str) -> None:
    if stored_weights(content):
        return
    keys = list(content)[:6] if isinstance(content, Mapping) else []
    inside = f" It holds {', '.join(map(repr, keys))}." if keys else ""
    raise CheckpointError(
        f"{where} holds no weights: names with tensors are expected, as model.state_dict() gives them.{inside}"
    )


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file: name -> tensor.

    Raises:
        CheckpointError: it cannot be read.
        MissingPackageError: its package is not installed.
    """
    require_file(path, CheckpointError)
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


def _fitting(content: Any, ours: Mapping[str, Any]) -> StoredWeights:
    """The weights in a content of which a network knows most, under its names."""
    found = [entry for stored in stored_weights(content) for entry in stored.under_names_of(ours)]
    return max(found, key=lambda entry: entry.known(ours))


def _copy_in(network: torch.nn.Module, theirs: StoredWeights, ours: Mapping[str, Any], label: str) -> WeightsReport:
    """Load all weights but those of other shapes; the network's own loading decides about names. Raises CheckpointError."""
    mismatched = {
        name: (tuple(ours[name].shape), tuple(value.shape))
        for name, value in theirs.tensors.items()
        if name in ours and isinstance(value, torch.Tensor) and ours[name].shape != value.shape
    }
    chosen = OrderedDict((name, value) for name, value in theirs.tensors.items() if name not in mismatched)
    if hasattr(theirs.tensors, "_metadata"):
        chosen._metadata = theirs.tensors._metadata  # type: ignore[attr-defined]
    try:
        result = network.load_state_dict(chosen, strict=False)
    except Exception as error:  # a module may have a loading of its own, which may raise anything
        reason = " ".join(str(error).split()).rstrip(".")
        raise CheckpointError(f"{type(network).__name__} refused the weights of {label}: {reason}.") from error
    # a BatchNorm without a version makes its counter of batches by itself
    missing = {
        *result.missing_keys,
        *(name for name in ours if name.endswith("num_batches_tracked") and name not in chosen),
    }
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters(remove_duplicate=False)}
    matched = tuple(name for name in ours if name not in missing and name not in mismatched)
    return WeightsReport(
        label,
        matched,
        tuple(name for name in ours if name in missing and name not in mismatched),
        tuple(result.unexpected_keys),
        {name: mismatched[name] for name in ours if name in mismatched},
        sum(sizes.get(name, 0) for name in matched),
        sum(sizes.values()),
    )


def _put_back(network: torch.nn.Module, before: Mapping[str, Any]) -> None:
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if isinstance(value, torch.Tensor):
                value.copy_(before[name])


def _nothing_fits(
    label: str,
    network: torch.nn.Module,
    ours: Mapping[str, torch.Tensor],
    theirs: Mapping[str, torch.Tensor],
    mismatched: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]],
) -> str:
    """Error text where no weight matches: the closest names, or the layer that the weights seem to be for."""
    said = f"None of the {len(theirs)} weights in {label} fits the {len(ours)} of {type(network).__name__}."
    if mismatched:
        examples = [f"{key} is {b} in the file and {a} in the network" for key, (a, b) in mismatched.items()]
        return f"{said} Names agree, shapes do not: {_few(examples)}. Give the network the sizes that the file was made for."
    for path, child in network.named_modules():
        if path and set(child.state_dict()) & set(theirs):
            return (
                f"{said} They seem to belong to its part {path!r}: load_weights(network.get_submodule({path!r}), ...)."
            )
    return f"{said} {_closest(theirs, ours)}"


def _closest(theirs: Mapping[str, torch.Tensor], ours: Mapping[str, torch.Tensor]) -> str:
    """The pairs of names that are most alike, among those of the same shape where there are any."""
    import difflib

    pairs = []
    for key, value in list(theirs.items())[:200]:
        alike = [other for other in ours if ours[other].shape == value.shape] or list(ours)
        ratios = [(difflib.SequenceMatcher(None, key, other).ratio(), key, other) for other in alike[:200]]
        pairs += [max(ratios)] if ratios else []
    best = sorted(pairs, reverse=True)[:3]
    if not best or best[0][0] < 0.4:
        return f"The file has {_few(map(repr, theirs))}; the network has {_few(map(repr, ours))}."
    shown = "; ".join(f"{key!r} and the network's {other!r}" for _, key, other in best)
    return f"The closest names are {shown}. Rename them, and give the mapping in place of the file."


def _not_all_fit(report: WeightsReport) -> str:
    parts = []
    if report.missing:
        parts.append(f"the source lacks {_few(report.missing)}")
    if report.unexpected:
        parts.append(f"the network lacks {_few(report.unexpected)}")
    if report.mismatched:
        examples = [f"{key} ({theirs} in place of {ours})" for key, (ours, theirs) in report.mismatched.items()]
        parts.append(f"shapes differ: {_few(examples)}")
    return (
        f"The weights of {report.source} do not all fit, and strict=True asks for it: {'; '.join(parts)}. "
        f"With strict=False the {len(report.matched)} that fit are loaded."
    )


def _few(names: Iterable[str], count: int = 4) -> str:
    names = list(names)
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
