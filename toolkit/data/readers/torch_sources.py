"""Any torch Dataset or DataLoader -> a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    default_collate,
    default_convert,
)

from runtime.errors import InputError
from toolkit.data.class_names import class_names
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import array_inputs
from toolkit.data.readers.torch_items import read_item, read_items, unbatched
from toolkit.data.stores import Store
from toolkit.data.targets import make_targets
from toolkit.tasks.given_names import place_of_each
from toolkit.tasks.registry import DEFAULT_TASK, find_task

__all__ = ["load_torch_dataset", "loader_batch_size"]

# Larger sets are not read into memory, but served item by item.
MEMORY_BYTES = 2 * 1024**3


def loader_batch_size(source: Any) -> int | None:
    """The batch size of a DataLoader, or None."""
    return source.batch_size if isinstance(source, DataLoader) else None


def load_torch_dataset(
    source: Any,
    *,
    task: str = DEFAULT_TASK,
    labels: Sequence[str] | None = None,
    tokens: bool | None = None,
    name: str | None = None,
) -> Dataset:
    """A torch Dataset or DataLoader -> a data set.

    A data set with a length is read into memory in its own order, whatever order a loader would shuffle it into; one that is
    large, or whose items change between accesses (random transforms), is served item by item. Others, and loaders with
    a ``collate_fn`` or a sampler of their own, are read once.

    Args:
        source: items are (x, y), or mappings with keys such as x, image, input and y, label, target. x is a Pillow image or
            a uint8 array or tensor (a picture, scaled to 0..1 as the card says), another array or tensor, or a text.
        task: what y is for.
        labels: class names in the order of a network's outputs; None takes the data set's ``classes``, as torchvision's have
            them. Whole numbers among the targets are positions in ``classes``.
        tokens: whether whole numbers are tokens for an embedding layer; None takes int64 inputs for tokens.
        name: named in the card; None takes the class's name.

    Raises:
        InputError: there is no item, an item has no label, or shapes differ.
    """
    items = _items_of(source) if isinstance(source, DataLoader) else source
    batches = isinstance(items, DataLoader)
    names = Names(class_names(labels), _class_names(items))
    called = name or _name(items)
    if batches or isinstance(items, IterableDataset) or not hasattr(items, "__getitem__"):
        if not hasattr(items, "__iter__"):
            raise InputError(f"A {type(source).__name__} was given; a torch Dataset or DataLoader is expected.")
        pairs = read_items(unbatched(items) if batches else items, None, called)
    else:
        count = _length(items)
        first = read_item(items, 0, called)
        if not isinstance(first[0], str) and (_bytes(first[0]) * count > MEMORY_BYTES or _changes(items, called)):
            return _served(items, count, task, names, tokens, called)
        pairs = read_items((items[index] for index in range(count)), count, called)
    inputs, targets = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    y = _stack_targets(targets)
    if isinstance(inputs[0], str):
        from toolkit.data.readers.text import load_texts

        targets, classes = names.targets(y, task)
        return replace(load_texts(inputs, [0] * len(inputs), source=called), task=task, targets=targets, labels=classes)
    card, store = array_inputs(_stack(inputs), tokens=_are_tokens(inputs[0], tokens))
    found, classes = names.targets(y, task)
    return Dataset(task, card, store, found, classes, called)


@dataclass(frozen=True)
class Names:
    """Class names: those that were given, and the data set's own, in which its targets are positions."""

    given: tuple[str, ...] | None
    own: tuple[str, ...] | None

    def targets(self, y: Any, task: str) -> tuple[Any, tuple[str, ...]]:
        """Labels or values -> targets and their names, as `make_targets`."""
        if self.own is None:
            return make_targets(y, task, self.given)
        found, names = self._own_targets(y, task, self.own)
        if self.given is None:
            return found, names
        if not set(self.given) & set(names) and len(self.given) != len(names):
            return make_targets(y, task, self.given)
        words = f"{len(self.given)} class names were given ({', '.join(self.given)})"
        places = place_of_each(names, self.given, words, f"the data set has {len(names)} classes: {', '.join(names)}")
        order = [names[places.index(place)] for place in range(len(self.given))]
        return find_task(task).targets_by_name(found, names, order, "The data set"), self.given

    @staticmethod
    def _own_targets(y: Any, task: str, own: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
        if find_task(task).one_class and isinstance(y, np.ndarray) and y.size == len(y):
            values = y.reshape(-1)
            if values.dtype.kind in "iu" and values.min() >= 0 and values.max() < len(own):
                return values.astype(np.int64), own
            if values.dtype.kind == "U" and set(values.tolist()) <= set(own):
                return np.array([own.index(name) for name in values.tolist()], np.int64), own
        return make_targets(y, task, own)


class ItemStore:
    """Store of a data set's items, fetched when they are taken, and prepared by `card`."""

    def __init__(
        self, items: Any, count: int, prepare: Callable[[list[np.ndarray]], torch.Tensor], called: str
    ) -> None:
        self.items, self.count, self.prepare, self.called = items, count, prepare, called

    def __len__(self) -> int:
        return self.count

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        """int64 (n,) -> prepared inputs (n, ...)."""
        found = [read_item(self.items, index, self.called)[0] for index in indices.tolist()]
        return self.prepare(found)

    def raw(self) -> None:
        """None: no inputs are held in memory."""
        return


def _served(items: Any, count: int, task: str, names: Names, tokens: bool | None, called: str) -> Dataset:
    first = read_item(items, 0, called)[0]
    whole = _are_tokens(first, tokens)
    card, _ = array_inputs(first[None], tokens=whole)

    def prepare(inputs: list[np.ndarray]) -> torch.Tensor:
        own, store = array_inputs(_stack(inputs), tokens=whole)
        if own != card:
            raise InputError(
                f"{called} has items of shape {own.shape}; its first is {card.shape}. Bring them to one shape."
            )
        prepared: torch.Tensor = store.take(torch.arange(len(store)))
        return prepared

    known = getattr(items, "targets", None)
    if known is not None and len(known) == count and getattr(items, "target_transform", None) is None:
        y: Any = known.numpy() if isinstance(known, torch.Tensor) else known
    else:
        y = _stack_targets(
            [pair[1] for pair in read_items((items[i] for i in range(count)), count, called, inputs=False)]
        )
    found, classes = names.targets(y, task)
    store: Store = ItemStore(items, count, prepare, called)
    return Dataset(task, card, store, found, classes, called)


def _items_of(loader: DataLoader[Any]) -> Any:
    """Items of a loader: its data set, its sampler's subset, or the loader itself with its own collation or order."""
    sampler, batch_sampler = loader.sampler, loader.batch_sampler
    own_batches = batch_sampler is not None and type(batch_sampler) is not BatchSampler
    if loader.collate_fn not in (default_collate, default_convert) or own_batches or loader.drop_last:
        return loader
    if isinstance(loader.dataset, IterableDataset):
        return loader.dataset
    if isinstance(sampler, SubsetRandomSampler):
        return Subset(loader.dataset, sorted(sampler.indices))
    whole = type(sampler) is SequentialSampler or (
        type(sampler) is RandomSampler and not sampler.replacement and sampler.num_samples == len(sampler.data_source)
    )
    return loader.dataset if whole else loader


def _length(items: Any) -> int:
    try:
        count = len(items)
    except TypeError as error:
        raise InputError(f"{type(items).__name__} has items by number, but no length; give it a __len__.") from error
    if count == 0:
        raise InputError(f"{type(items).__name__} is empty; at least one item is expected.")
    return int(count)


def _changes(items: Any, called: str) -> bool:
    """True if one of the first items differs between two accesses, as with a random transform."""
    state = torch.get_rng_state()
    try:
        for index in range(min(3, len(items))):
            first, second = read_item(items, index, called)[0], read_item(items, index, called)[0]
            if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
                return True
    finally:
        torch.set_rng_state(state)
    return False


def _stack(inputs: Sequence[np.ndarray]) -> np.ndarray:
    shapes: dict[tuple[int, ...], int] = {}
    for index, entry in enumerate(inputs):
        shapes.setdefault(entry.shape, index)
    if len(shapes) > 1:
        (one, first), (other, second), *_ = shapes.items()
        raise InputError(
            f"The items differ in shape: item {first} is {one}, item {second} is {other}. Bring them to one shape in the data set's "
            f"transform, or pad them in its items."
        )
    stacked = np.stack(inputs)
    return stacked[:, None] if stacked.ndim == 1 else stacked


def _stack_targets(targets: list[Any]) -> Any:
    plain = [entry.detach().cpu().numpy() if isinstance(entry, torch.Tensor) else entry for entry in targets]
    return np.asarray(plain) if not isinstance(plain[0], list | tuple | set) and np.ndim(plain[0]) == 0 else plain


def _are_tokens(first: np.ndarray, tokens: bool | None) -> bool:
    return first.dtype == np.int64 and first.ndim == 1 if tokens is None else tokens


def _bytes(first: np.ndarray) -> int:
    return int(first.nbytes)


def _name(items: Any) -> str:
    while isinstance(items, Subset | DataLoader):
        items = items.dataset
    return type(items).__name__


def _class_names(items: Any) -> tuple[str, ...] | None:
    while isinstance(items, Subset | DataLoader):
        items = items.dataset
    names = getattr(items, "classes", None)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
