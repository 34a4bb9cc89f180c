"""Layouts of weights files: where the tensors lie, what wrappers put before their names, the versions that torch keeps beside."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

__all__ = ["StoredWeights", "stored_weights"]

# Keys under which programs keep the weights themselves, in order of preference.
_NESTS = ("state_dict", "model_state_dict", "model_state", "model", "network", "weights")
# What torch puts into the names of a part that is compiled, parallel, sharded or computed twice.
_WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# Weights that are an average over the training.
_AVERAGE = re.compile(r"(?:^|[._ ])(?:ema|swa|averaged?)(?:[._ ]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class StoredWeights:
    """One mapping of weights within a file.

    Attributes:
        place: keys that lead to it, such as ("checkpoint", "state_dict"); () for the whole content.
        tensors: name -> tensor, with torch's layout versions of modules as `_metadata` where the file has them.
        prefix: what was taken off the names.
        renamed: what was done to the names, in words; "" for nothing.
        beside: names of entries that were left out: what is no tensor, and tensors outside of the prefix.
    """

    place: tuple[str, ...]
    tensors: dict[str, Any]
    prefix: str = ""
    renamed: str = ""
    beside: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Preference of its place: below 100 where all of its keys are usual ones, the less the better."""
        return sum(_NESTS.index(key) if key in _NESTS else 100 for key in self.place)

    @property
    def where(self) -> str:
        """Its place and prefix in words, such as "checkpoint.state_dict"; "" for the whole content."""
        return ".".join(part for part in (*self.place, self.prefix.rstrip(".")) if part)

    @property
    def is_average(self) -> bool:
        """Whether its place or prefix calls it an average over the training."""
        return any(_AVERAGE.search(part) for part in (*self.place, self.prefix))

    def known(self, ours: Mapping[str, Any]) -> tuple[int, int]:
        """Number of its names that `ours` has with the same shape, and of those that it has at all."""
        both = [name for name in self.tensors if name in ours]
        return sum(_shape(self.tensors[name]) == _shape(ours[name]) for name in both), len(both)

    def under_names_of(self, ours: Mapping[str, Any]) -> list[StoredWeights]:
        """The same under the names of a network, as far as prefixes of any wrapper go.

        Args:
            ours: name -> tensor of the network.

        Returns:
            Those of which the network knows most; several where the mapping holds several networks, such as a student and a
            teacher. A mapping of which it knows nothing comes as it is first, for the network may rename it by itself.
        """
        found = [self]
        found += [self._without(prefix) for prefix in _prefixes(self.tensors, ours)]
        plain = self._unwrapped()
        if plain is not None:
            found += [plain, *(plain._without(prefix) for prefix in _prefixes(plain.tensors, ours))]
        best = max(entry.known(ours) for entry in found)
        return [entry for entry in found if entry.known(ours) == best]

    def _without(self, prefix: str) -> StoredWeights:
        inside = [name for name in self.tensors if name.startswith(prefix)]
        outside = tuple(name for name in self.tensors if not name.startswith(prefix))
        tensors = _renamed(self.tensors, inside, lambda name: name.removeprefix(prefix), prefix)
        words = f"{prefix!r} was taken off the names of the weights"
        return StoredWeights(self.place, tensors, prefix, words, (*self.beside, *outside))

    def as_parts_of(self, ours: Mapping[str, Any]) -> list[StoredWeights]:
        """The same for a network that wraps the one they come from: its prefixes before all names."""
        return [self._with(prefix) for prefix in _prefixes(ours, self.tensors)]

    def _with(self, prefix: str) -> StoredWeights:
        tensors = _renamed(self.tensors, list(self.tensors), lambda name: prefix + name)
        return StoredWeights(
            self.place, tensors, "", f"{prefix!r} was put before the names of the weights", self.beside
        )

    def _unwrapped(self) -> StoredWeights | None:
        """Without torch's wrappers anywhere in the names; None where there are none, or names would become one."""
        names = {name: _WRAPPERS.sub("", name) for name in self.tensors}
        if all(name == short for name, short in names.items()) or len(set(names.values())) < len(names):
            return None
        tensors = _renamed(self.tensors, list(names), lambda name: _WRAPPERS.sub("", name))
        words = "torch's wrappers were taken out of the names of the weights"
        return StoredWeights(self.place, tensors, "", words, self.beside)


def stored_weights(content: Any) -> list[StoredWeights]:
    """All mappings of weights in a file's content, at any depth; usual places first, whole subtrees last.

    A subtree, such as {"encoder": state_dict, "decoder": state_dict}, has its names joined by dots. Arrays become tensors.
    """
    found = list(_within(content, ()))
    return sorted(found, key=lambda entry: entry.rank)


def _within(content: Any, place: tuple[str, ...]) -> Iterator[StoredWeights]:
    if isinstance(content, list | tuple):
        content = {str(number): entry for number, entry in enumerate(content) if isinstance(entry, Mapping)}
    if not isinstance(content, Mapping):
        return
    own = _tensors(content)
    if any(isinstance(value, torch.Tensor) for value in own.values()):
        yield StoredWeights(place, own, beside=tuple(str(key) for key in content if key not in own))
    inner = {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, Mapping | list | tuple)
    }
    for key, value in inner.items():
        yield from _within(value, (*place, key))
    parts = {key: _tensors(value) for key, value in inner.items() if isinstance(value, Mapping)}
    parts = {key: part for key, part in parts.items() if part}
    if len(parts) + bool(own) > 1:
        yield StoredWeights(place, _joined(own, parts))


def _tensors(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Tensors by name, and what modules keep besides by `get_extra_state`."""
    found: dict[str, Any] = OrderedDict()
    for name, value in content.items():
        if isinstance(name, str) and (isinstance(value, torch.Tensor) or name.endswith("_extra_state")):
            found[name] = value
        elif isinstance(name, str) and isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            found[name] = torch.from_numpy(value)
    return _with_metadata(found, getattr(content, "_metadata", None))


def _joined(own: dict[str, Any], parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    joined: dict[str, Any] = OrderedDict(own)
    versions = dict(getattr(own, "_metadata", {}))
    for key, part in parts.items():
        joined.update({f"{key}.{name}": value for name, value in part.items()})
        versions.update({f"{key}.{path}".rstrip("."): value for path, value in getattr(part, "_metadata", {}).items()})
    return _with_metadata(joined, versions)


def _prefixes(longer: Mapping[str, Any], shorter: Mapping[str, Any]) -> list[str]:
    """What stands before most of the names that `shorter` has too; several where they are equally many."""
    counts: Counter[str] = Counter()
    for name, value in longer.items():
        for place in (found.end() for found in re.finditer(r"\.", name)):
            if name[place:] in shorter and _shape(shorter[name[place:]]) == _shape(value):
                counts[name[:place]] += 1
    most = max(counts.values(), default=0)
    return [prefix for prefix, count in counts.items() if count == most]


def _renamed(
    tensors: dict[str, Any], names: list[str], rename: Callable[[str], str], under: str = ""
) -> dict[str, Any]:
    """Chosen tensors, and the versions of modules `under` a prefix, by other names."""
    chosen: dict[str, Any] = OrderedDict((rename(name), tensors[name]) for name in names)
    versions = getattr(tensors, "_metadata", None)
    if versions is not None:
        paths = {path: f"{path}." if path else "" for path in versions}
        versions = {
            rename(path).removesuffix("."): versions[key] for key, path in paths.items() if path.startswith(under)
        }
    return _with_metadata(chosen, versions)


def _with_metadata(tensors: dict[str, Any], versions: Mapping[str, Any] | None) -> dict[str, Any]:
    if versions is not None:
        tensors._metadata = OrderedDict(versions)  # type: ignore[attr-defined]
    return tensors


def _shape(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None
