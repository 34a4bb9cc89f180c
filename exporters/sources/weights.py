"""Weights files: strict loading into an architecture, by the network's own loading."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from runtime.errors import CheckpointError
from toolkit.training.pretrained.weights_layout import StoredWeights, stored_weights

__all__ = ["find_weights", "fit_weights"]

# Of no use in evaluation mode, and left out by some writers.
_COUNTER = "num_batches_tracked"
# What programs that count operations leave behind in every part.
_COUNTED = ("total_ops", "total_params")
# Ranks of places whose keys are all usual ones lie below.
_USUAL = 100


def fit_weights(module: torch.nn.Module, content: Any, source: str, arch: str) -> tuple[str, ...]:
    """Load the weights in a file's content strictly, wherever they lie in it, after removing wrappers' prefixes.

    The network's own loading decides about names. It may lack counters of batches, and second names of a tensor that it shares.

    Args:
        module: of the architecture, with fresh weights; in an unknown state after an error.
        content: of the file: mappings of any depth with name -> tensor among them.
        source, arch: names of the file and of the architecture, for errors.

    Returns:
        Notes on what was taken, renamed and left out.

    Raises:
        CheckpointError: there are no weights; a name is missing or left over, or a shape differs (names the first few of each);
            several different networks in the file fit.
    """
    found = find_weights(content, source)
    ours = module.state_dict()
    tries = sorted(
        (entry for stored in found for entry in (*stored.under_names_of(ours), *stored.as_parts_of(ours))),
        key=lambda entry: _order(entry, ours),
    )
    first = tries[0]
    _must_be_one(tries, ours, source)
    reasons: list[str] = []
    for stored in tries:
        if stored is not first and stored.known(ours)[1] and not _is_whole(stored, ours):
            continue
        tensors, odd = _without_odd(stored.tensors, ours)
        reason, words = _load(module, tensors, ours)
        if reason is None:
            _check_shared(module, tensors, source, arch)
            return (*_notes(module, stored, odd, found), *words)
        reasons.append(reason)
    raise CheckpointError(_misfit(source, arch, ours, _without_odd(first.tensors, ours)[0], reasons[0]))


def find_weights(content: Any, source: str) -> list[StoredWeights]:
    """All weights in a file's content. Raises CheckpointError without any."""
    found = stored_weights(content)
    if not found:
        raise CheckpointError(_nothing(content, source))
    return found


def _is_whole(stored: StoredWeights, ours: Mapping[str, Any]) -> bool:
    return all(name in stored.tensors or name.endswith(_COUNTER) for name in ours)


def _order(stored: StoredWeights, ours: Mapping[str, Any]) -> tuple[bool, bool, int, int]:
    """Sorting key: whole networks first, among these averages; then by the number of fitting names."""
    whole = _is_whole(stored, ours)
    return not whole, not (whole and stored.is_average), -stored.known(ours)[0], -stored.known(ours)[1]


def _must_be_one(tries: list[StoredWeights], ours: Mapping[str, Any], source: str) -> None:
    """Raise CheckpointError where several mappings fit equally, none of them in a usual place, and their numbers differ."""
    first = tries[0]
    if not _is_whole(first, ours) or first.is_average:
        return
    for other in tries[1:]:
        if not _is_whole(other, ours) or (other.place != first.place and first.rank < _USUAL):
            continue
        if not all(
            torch.equal(first.tensors[name], other.tensors[name])
            for name in _tensors(ours)
            if name in first.tensors and name in other.tensors
        ):
            places = " and ".join(repr(entry.where or "the file itself") for entry in (first, other))
            raise CheckpointError(
                f"{source} holds several networks that fit, under {places}, and their weights differ. Save the one that is meant "
                f"by itself: torch.save(weights, 'weights.pth')."
            )


def _without_odd(tensors: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Weights without single numbers that lie beside them, such as an epoch, and the names of these."""
    odd = [
        name
        for name, value in tensors.items()
        if name not in ours
        and isinstance(value, torch.Tensor)
        and (name.rpartition(".")[2] in _COUNTED or ("." not in name and value.ndim == 0))
    ]
    kept: dict[str, Any] = OrderedDict((name, value) for name, value in tensors.items() if name not in odd)
    if hasattr(tensors, "_metadata"):
        kept._metadata = tensors._metadata  # type: ignore[attr-defined]
    return kept, odd


def _load(module: torch.nn.Module, tensors: dict[str, Any], ours: Any) -> tuple[str | None, tuple[str, ...]]:
    """Load: (None or the reason of failure, notes)."""
    reason = _refusal(module, tensors, ours)
    if reason is None or hasattr(tensors, "_metadata") or not hasattr(ours, "_metadata"):
        return reason, ()
    # a plain mapping, such as a safetensors file, says no versions, and some modules load nothing without
    versioned: dict[str, Any] = OrderedDict(tensors)
    versioned._metadata = OrderedDict(ours._metadata)  # type: ignore[attr-defined]
    if _refusal(module, versioned, ours) is not None:
        return reason, ()
    return None, ("the file keeps no versions of modules; they were taken for those of the installed code",)


def _refusal(module: torch.nn.Module, tensors: dict[str, Any], ours: Mapping[str, Any]) -> str | None:
    """Load strictly, but for counters and second names of shared tensors; the reason of failure, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                module.load_state_dict(tensors, strict=True)
                return None
            except RuntimeError as error:
                result = module.load_state_dict(tensors, strict=False)
                shared = {_storage(ours[name]) for name in tensors if name in ours}
                missing = [
                    name
                    for name in result.missing_keys
                    if not name.endswith(_COUNTER) and (name not in ours or _storage(ours[name]) not in shared)
                ]
                return _short(error) if missing or result.unexpected_keys else None
    except Exception as error:  # a module may have a loading of its own, which may raise anything
        return _short(error)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__


def _storage(value: Any) -> Any:
    """What two names of one tensor have in common."""
    if not isinstance(value, torch.Tensor) or not value.numel():
        return None
    return value.data_ptr(), tuple(value.shape), value.stride()


def _check_shared(module: torch.nn.Module, tensors: Mapping[str, Any], source: str, arch: str) -> None:
    """Raise CheckpointError where one tensor of the network has two names, and the file different numbers for them."""
    names: dict[Any, str] = {}
    for name, value in module.state_dict().items():
        place = _storage(value)
        if place is None or name not in tensors:
            continue
        first = names.setdefault(place, name)
        if not torch.equal(tensors[first], tensors[name]):
            raise CheckpointError(
                f"{arch} has one tensor for {first} and {name}, and {source} has different numbers for them: they were trained "
                f"apart. Name the architecture that the weights were made with (--arch, --arch-args)."
            )


def _notes(
    module: torch.nn.Module, stored: StoredWeights, odd: list[str], found: list[StoredWeights]
) -> tuple[str, ...]:
    notes = []
    if stored.is_average:
        notes.append(f"the averaged weights under {stored.where!r} were taken")
    elif stored.place and len(found) > 1:
        notes.append(f"the weights under {'.'.join(stored.place)!r} were taken")
    if stored.renamed:
        notes.append(stored.renamed)
    beside = [*stored.beside, *odd]
    if beside:
        notes.append(f"beside the weights the file holds {_few(map(repr, beside))}, which the network does not take")
    kinds = {
        str(value.dtype).removeprefix("torch.")
        for value in _tensors(stored.tensors).values()
        if value.is_floating_point()
    }
    if kinds & {"float16", "bfloat16"} and all(value.dtype == torch.float32 for value in module.parameters()):
        notes.append(f"the weights are stored as {', '.join(sorted(kinds))} and were read as float32")
    return tuple(notes)


def _tensors(values: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def _nothing(content: Any, source: str) -> str:
    held = ", ".join(repr(key) for key in list(content)[:6]) if isinstance(content, Mapping) else ""
    inside = f"holds {held}" if held else f"is a {type(content).__name__}"
    return (
        f"{source} {inside}, and no weights among it: names with tensors are expected, as torch.save(model.state_dict(), "
        f"'weights.pth') writes them."
    )


def _misfit(source: str, arch: str, ours: Mapping[str, Any], fitted: Mapping[str, Any], reason: str) -> str:
    """Error text: what differs in names and shapes, else the reason that the network gave."""
    missing = [name for name in ours if name not in fitted and not name.endswith(_COUNTER)]
    left = [name for name in fitted if name not in ours]
    differing = [
        f"{name} is {tuple(fitted[name].shape)} in the file and {tuple(value.shape)} in the network"
        for name, value in _tensors(ours).items()
        if isinstance(fitted.get(name), torch.Tensor) and fitted[name].shape != value.shape
    ]
    if not (missing or left or differing):
        return f"{arch} refused the weights of {source}: {reason}."
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
