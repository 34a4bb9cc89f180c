"""Input parsing of a model of several inputs: what `parse_inputs` takes, for each input by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import InputCard
from runtime.errors import InputError
from runtime.preprocess import read_arrays
from runtime.preprocess.inputs import parse_inputs, prepare_items
from runtime.preprocess.kinds import preprocessor_of

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["NamedItems", "join_items", "parse_named_inputs"]


@dataclass(frozen=True)
class NamedItems:
    """N inputs of a model of several.

    Attributes:
        values: input name -> N pictures, texts or sequences, or prepared rows (N, ...).
    """

    values: Mapping[str, list[Any] | npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def take(self, start: int, stop: int) -> NamedItems:
        """The inputs from `start` up to `stop`."""
        return NamedItems({name: values[start:stop] for name, values in self.values.items()})

    @property
    def sources(self) -> list[str | None]:
        """For each input the first of its files or texts, or None."""
        found: list[str | None] = [None] * len(self)
        for values in self.values.values():
            if not isinstance(values, np.ndarray):
                named = [str(item) if isinstance(item, str | os.PathLike) else None for item in values]
                found = [known if known is not None else name for known, name in zip(found, named, strict=True)]
        return found


def parse_named_inputs(data: Any, cards: Sequence[InputCard]) -> tuple[NamedItems, bool]:
    """Normalise user input for several inputs. Returns (items, is_single).

    - A mapping input name -> data, as `parse_inputs` takes it for that input; as many of each.
    - A list of such mappings.
    - The path of an ``.npz`` with one array (N, ...) per input, by its name. Pictures in uint8 go through the pre-processing.

    Raises:
        InputError: an input is missing, or unreadable; or there are more of one than of another.
    """
    if isinstance(data, NamedItems):
        return data, False
    if isinstance(data, str | os.PathLike):
        return _from_file(Path(data), cards), False
    if isinstance(data, Mapping):
        return _from_mapping(data, cards)
    if isinstance(data, list | tuple) and data and all(isinstance(entry, Mapping) for entry in data):
        return join_items([_from_mapping(entry, cards)[0] for entry in data], cards), False
    if isinstance(data, list | tuple) and not data:
        return NamedItems({card.name: [] for card in cards}), False
    raise InputError(
        f"A {type(data).__name__} was given; the model takes the inputs {_names(cards)}. Give a mapping with one entry for "
        f"each, a list of such mappings, or an .npz file with one array for each."
    )


def join_items(parts: Sequence[NamedItems], cards: Sequence[InputCard]) -> NamedItems:
    """Put items together, one after another. Where some of an input are prepared and others not, the others are prepared as well."""
    found: dict[str, list[Any] | npt.NDArray[Any]] = {}
    for card in cards:
        values = [part.values[card.name] for part in parts]
        if any(isinstance(items, np.ndarray) for items in values):
            rows = [items if isinstance(items, np.ndarray) else prepare_items(items, card) for items in values]
            found[card.name] = np.concatenate(rows)
        else:
            found[card.name] = [item for items in values for item in items]
    return NamedItems(found)


def _from_mapping(data: Mapping[Any, Any], cards: Sequence[InputCard]) -> tuple[NamedItems, bool]:
    if set(data) != {card.name for card in cards}:
        given = ", ".join(map(str, data)) or "none"
        raise InputError(f"The inputs {given} were given; the model takes {_names(cards)}. Give one entry for each.")
    parsed = {card.name: parse_inputs(data[card.name], card) for card in cards}
    return _checked({name: items for name, (items, _) in parsed.items()}), all(single for _, single in parsed.values())


def _from_file(path: Path, cards: Sequence[InputCard]) -> NamedItems:
    if path.suffix.lower() != ".npz":
        raise InputError(
            f"{path} was given; the model takes the inputs {_names(cards)}. Give an .npz file with one array for each."
        )
    arrays = read_arrays(path)
    found: dict[str, list[Any] | npt.NDArray[Any]] = {}
    for card in cards:
        if card.name not in arrays:
            raise InputError(f"{path} lacks the array {card.name!r}; it has {', '.join(arrays) or 'none'}. Name it so.")
        values = arrays[card.name]
        items, single = preprocessor_of(card).parse_batch(values, card)
        if single:
            raise InputError(
                f"{path} holds one input {card.name!r} of shape {values.shape}; a batch of them is expected."
            )
        found[card.name] = items
    return _checked(found)


def _checked(values: Mapping[str, list[Any] | npt.NDArray[Any]]) -> NamedItems:
    if len({len(items) for items in values.values()}) != 1:
        counts = ", ".join(f"{name} {len(items)}" for name, items in values.items())
        raise InputError(f"The inputs have these numbers of rows: {counts}. As many of each are expected.")
    return NamedItems(values)


def _names(cards: Sequence[InputCard]) -> str:
    return ", ".join(card.name for card in cards)
