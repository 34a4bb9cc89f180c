"""Input batches for a comparison: a network's samples, real data, or random numbers for two files."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from exporters.comparing.compared_models import ComparedFile, ComparedModel, ComparedNetwork
from exporters.inputs import kind_of
from exporters.settings import ExportSettings
from exporters.subject.dynamic_axes import resolve_dynamic_axes
from exporters.subject.lengths import row_count
from exporters.verifying.probes import BATCH_SIZES, make_probes
from runtime.card import InputCard
from runtime.errors import CardError, CheckFailed, InputError, ToolkitError
from runtime.preprocess.inputs import parse_inputs
from runtime.preprocess.kinds import preprocessor_of
from runtime.preprocess.named_inputs import parse_named_inputs
from runtime.session import Tensor
from runtime.session.batch_axis import derived_length
from runtime.session.tensor import UNNAMED

__all__ = ["InputBatch", "data_feeds", "feeds_for", "prepares"]

# Lengths for the free axes of files from elsewhere: the first set at which both run is taken, and some of the others too.
_LENGTHS = (32, 64, 224, 7, 16, 128, 256, 11)
_ROWS = 32


@dataclass(frozen=True)
class InputBatch:
    """Inputs of one run of both models.

    Attributes:
        label: in words, such as "batch size 2".
        first, second: input name -> array, as the first and the second model take it.
        rows: number of inputs in the batch; 1 where the models have no batch.
        padding: rows behind these that fill up the batch.
        sources: where real inputs came from, one per row.
    """

    label: str
    first: Mapping[str, np.ndarray]
    second: Mapping[str, np.ndarray]
    rows: int
    sources: tuple[str | None, ...] = ()
    padding: int = 0


def feeds_for(
    first: ComparedModel, second: ComparedModel, names: Mapping[str, str], settings: ExportSettings
) -> Iterator[InputBatch]:
    """Input batches for any two models; `names` maps inputs of the first to inputs of the second.

    A network's own samples at batch sizes 1, 2 and 5, and at other lengths where an axis is free; where a file fixes an
    axis, at that length. Two files get random numbers. Files that prepare their pictures by themselves get pictures; those that
    scale rows of numbers by themselves get them unscaled, and the other model the same ones scaled.
    """
    if prepares(first) or prepares(second):
        yield from _raw(first, second)
        return
    network = next((side for side in (first, second) if isinstance(side, ComparedNetwork)), None)
    count = 0
    if network is not None:
        for label, arrays, rows in _of_network(network, first, second, names, settings):
            mine, theirs = _named(arrays, network is first, names)
            if _fits(mine, first) and _fits(theirs, second):
                count += 1
                yield InputBatch(label, *_as_taken(mine, theirs, first, second, names), rows)
        if not count:
            raise CheckFailed(
                f"{first.name} takes {'; '.join(map(str, first.inputs))} and {second.name} takes "
                f"{'; '.join(map(str, second.inputs))}: none of the samples has a shape that both take."
            )
        return
    assert isinstance(first, ComparedFile) and isinstance(second, ComparedFile)
    for batch in _made_up(first, second, names):
        mine, theirs = _as_taken(batch.first, batch.second, first, second, names)
        yield replace(batch, first=mine, second=theirs)


def data_feeds(
    first: ComparedModel, second: ComparedModel, data: str | os.PathLike[str], names: Mapping[str, str]
) -> Iterator[InputBatch]:
    """Input batches of real data, prepared by each model's card, or by the other's where a model has none.

    Args:
        first, second: the models.
        data: a file or folder as the card's input takes it; of several inputs an .npz file with an array for each.
        names: input of the first -> input of the second.

    Raises:
        CardError: neither has a card that says how files become inputs.
        InputError: the data cannot be read.
    """
    if len(first.inputs) > 1 and len(second.inputs) > 1:
        yield from _of_several(first, second, data, names)
        return
    cards = [_only_input(side) for side in (first, second)]
    card = next((card for card in cards if card is not None and card.has_preparation), None)
    if card is None:
        raise CardError(
            f"{data} cannot be read as inputs: neither {first.name} nor {second.name} has a card that says how. Compare with the "
            f"checkpoint, or leave --data out."
        )
    plain = card.prepared_outside()  # for a network that is known to take arrays
    each = [card if entry is None else entry if entry.has_preparation else plain for entry in cards]
    items = [parse_inputs(Path(data), entry)[0] for entry in each]  # a path: a text model takes a string for a text
    if not len(items[0]):
        raise InputError(f"{data} holds no input.")
    raw = prepares(first) or prepares(second)
    fixed = next((side.session.fixed_batch for side in (first, second) if isinstance(side, ComparedFile)
                  and side.session.fixed_batch), None)  # fmt: skip
    step = 1 if raw else fixed or _ROWS
    for start in range(0, len(items[0]), step):
        parts = [found[start : start + step] for found in items]
        part = parts[0]
        missing = (fixed or 0) - len(part) if fixed else 0
        arrays = [_filled(_fed(found, entry), missing) for found, entry in zip(parts, each, strict=True)]
        sources = tuple(str(item) if isinstance(item, str | os.PathLike) else None for item in part)
        feeds = [{side.inputs[0].name: array} for side, array in zip((first, second), arrays, strict=True)]
        yield InputBatch(f"the data from {start + 1} on", feeds[0], feeds[1], len(part), sources, missing)


def _of_several(
    first: ComparedModel, second: ComparedModel, data: str | os.PathLike[str], names: Mapping[str, str]
) -> Iterator[InputBatch]:
    """As `data_feeds`, of models of several inputs."""
    mine, theirs = ({entry.name: entry for entry in side.card.inputs} if side.card else {} for side in (first, second))
    pairs = [
        (name, mine.get(name) or theirs.get(other), theirs.get(other) or mine.get(name))
        for name, other in names.items()
    ]
    cards = [
        [replace(one, name=name) for name, one, _ in pairs if one is not None],
        [replace(two, name=name) for name, _, two in pairs if two is not None],
    ]
    if len(cards[0]) != len(pairs):
        raise CardError(
            f"{data} cannot be read as inputs: neither {first.name} nor {second.name} has a card that says how. Compare with the "
            f"checkpoint, or leave --data out."
        )
    items = [parse_named_inputs(os.fspath(data), entries)[0] for entries in cards]
    fixed = next((side.session.fixed_batch for side in (first, second) if isinstance(side, ComparedFile)
                  and side.session.fixed_batch), None)  # fmt: skip
    step = fixed or _ROWS
    for start in range(0, len(items[0]), step):
        stop = min(start + step, len(items[0]))
        missing = fixed - (stop - start) if fixed else 0
        feeds: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
        for name, one, two in pairs:
            for fed, entry, called, found in zip(feeds, (one, two), (name, names[name]), items, strict=True):
                assert entry is not None
                fed[called] = _filled(_fed(found.values[name][start:stop], entry), missing)
        yield InputBatch(f"the data from {start + 1} on", *feeds, stop - start, (None,) * (stop - start), missing)


def _fed(items: Any, card: InputCard) -> np.ndarray:
    return items if isinstance(items, np.ndarray) else preprocessor_of(card).feed(items, card)


def _filled(rows: np.ndarray, missing: int) -> np.ndarray:
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing > 0 else rows


def _only_input(side: ComparedModel) -> InputCard | None:
    if len(side.inputs) != 1:
        raise CardError(f"{side.name} takes {len(side.inputs)} inputs; --data is for networks of one.")
    return side.card.inputs[0] if side.card is not None and len(side.card.inputs) == 1 else None


def prepares(side: ComparedModel) -> bool:
    """Test for a file that prepares by itself what is no row of numbers, such as pictures."""
    entries = side.card.inputs if side.card is not None else ()
    return any(entry.prepared_in_graph and not _scales_rows(entry) for entry in entries)


def _scales_rows(card: InputCard) -> bool:
    return card.prepared_in_graph and kind_of(card).row_preparation(card) is not None


def _as_taken(
    mine: Mapping[str, np.ndarray],
    theirs: Mapping[str, np.ndarray],
    first: ComparedModel,
    second: ComparedModel,
    names: Mapping[str, str],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Prepared arrays of both models -> the same rows, unscaled for a model that scales them by itself."""
    found = dict(mine), dict(theirs)
    known = [{entry.name: entry for entry in side.card.inputs} if side.card else {} for side in (first, second)]
    for name, other in names.items():
        cards = known[0].get(name), known[1].get(other)
        raw = next((card for card in cards if card is not None and _scales_rows(card)), None)
        if raw is None:
            continue
        rows = kind_of(raw).raw_rows(mine[name], raw)
        for arrays, card, called in zip(found, cards, (name, other), strict=True):
            entry = card if card is not None and card.has_preparation else raw
            arrays[called] = preprocessor_of(entry).feed(list(rows), entry)
    return found


def _raw(first: ComparedModel, second: ComparedModel) -> Iterator[InputBatch]:
    """Random inputs that are not prepared, of several shapes, for files that prepare theirs."""
    cards = [_only_input(side) for side in (first, second)]
    known = next(card for card in cards if card is not None and card.has_preparation)
    for label, item in kind_of(known).raw_items(known):
        arrays = [_fed([item], card if card is not None else known) for card in cards]
        feeds = [{side.inputs[0].name: array} for side, array in zip((first, second), arrays, strict=True)]
        yield InputBatch(label, feeds[0], feeds[1], 1)


def _of_network(
    network: ComparedNetwork,
    first: ComparedModel,
    second: ComparedModel,
    names: Mapping[str, str],
    settings: ExportSettings,
) -> Iterator[tuple[str, dict[str, np.ndarray], int]]:
    """(label, network input name -> array, rows): samples at several batch sizes, or at a file's fixed batch size.

    Where a file has other dynamic axes, also at other lengths of these that torch takes.
    """
    subject = network.subject
    files = [side for side in (first, second) if isinstance(side, ComparedFile)]
    fixed = [side.session.fixed_batch for side in files if side.session.fixed_batch]
    for file in files:
        free = _free_axes(file, {b: a for a, b in names.items()} if file is second else names)
        if any(name != "batch" for axes in free.values() for name in axes.values()):
            with contextlib.suppress(ToolkitError):  # axes that torch takes no other lengths of stay as they are
                subject, _ = resolve_dynamic_axes(subject, replace(settings, dynamic=free))
    for probe in make_probes(subject, tuple(fixed) or BATCH_SIZES):
        arrays = (tensor.numpy() for tensor in probe.inputs)
        rows = row_count(subject, probe.inputs) or 1
        yield probe.label, dict(zip(subject.input_names, arrays, strict=True)), rows


def _free_axes(file: ComparedFile, names: Mapping[str, str]) -> dict[str, dict[int, str]]:
    """Dynamic axes of a file: network input name -> axis -> axis name; the file's batch is "batch"."""
    return {
        names[tensor.name]: {
            axis: "batch" if key == file.session.batch.name else key for axis, key in _free_axes_of(tensor, file)
        }
        for tensor in file.inputs
    }


def _named(
    arrays: Mapping[str, np.ndarray], is_first: bool, names: Mapping[str, str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Arrays under the input names of the first and of the second model."""
    if is_first:
        return dict(arrays), {names[name]: array for name, array in arrays.items()}
    back = {other: name for name, other in names.items()}
    return {back[name]: array for name, array in arrays.items()}, dict(arrays)


def _fits(arrays: Mapping[str, np.ndarray], side: ComparedModel) -> bool:
    """Test that arrays have a file's fixed lengths. A reported rank of 0 may mean an unknown rank: any shape fits."""
    for tensor in side.inputs if isinstance(side, ComparedFile) else ():
        shape = arrays[tensor.name].shape
        if tensor.shape and len(tensor.shape) != len(shape):
            return False
        if tensor.shape and any(
            isinstance(want, int) and want != got for want, got in zip(tensor.shape, shape, strict=True)
        ):
            return False
    return True


def _free_axes_of(tensor: Tensor, file: ComparedFile) -> Iterator[tuple[int, str]]:
    """(axis, name) of an input's axes of any length; one without a name is called by its place, if it is not the batch."""
    batch = file.session.batch
    for axis, length in enumerate(tensor.shape):
        if isinstance(length, str):
            is_batch = batch.name is not None and batch.axes.get(tensor.name) == axis
            yield axis, str(batch.name) if is_batch else f"{tensor.name}.{axis}" if length == UNNAMED else length


def _made_up(first: ComparedFile, second: ComparedFile, names: Mapping[str, str]) -> Iterator[InputBatch]:
    """Random batches for two files: standard normal floats and small integers.

    Axes of one name have one length; those of different names have equal lengths, and different ones where both run at these.
    """
    shapes: dict[str, list[int | str]] = {}
    for tensor in first.inputs:
        other = next(entry for entry in second.inputs if entry.name == names[tensor.name])
        free = dict(_free_axes_of(tensor, first))
        shapes[tensor.name] = [
            two if isinstance(two, int) else free.get(axis, one)
            for axis, (one, two) in enumerate(zip(tensor.shape, other.shape, strict=True))
        ]
    batch = first.session.batch.name
    called = list(dict.fromkeys(name for shape in shapes.values() for name in shape if isinstance(name, str)))
    others = [name for name in called if name != batch]
    random = np.random.default_rng(0)
    refusal: ToolkitError | None = None
    fixed = first.session.batch.fixed
    sizes = BATCH_SIZES if batch in called else (fixed or 1,)
    tried = 0
    for spread in (0, 1) if len(others) > 1 else (0,):
        enough = tried + (1 if spread else 2) * len(sizes)
        for place, rows in itertools.product(range(len(_LENGTHS) if others else 1), sizes):
            lengths = {name: _LENGTHS[(place + spread * number) % len(_LENGTHS)] for number, name in enumerate(others)}
            known = {**lengths, **({batch: rows} if batch is not None else {})}
            feeds = {t.name: _numbers(t, shapes[t.name], known, random, first.card) for t in first.inputs}
            theirs = {names[name]: array for name, array in feeds.items()}
            if others:
                try:  # not every network takes every length
                    first.run(feeds, first.outputs[:1])
                    second.run(theirs, second.outputs[:1])
                except ToolkitError as error:
                    refusal = error
                    continue
            tried += 1
            words = [f"batch size {rows}"] if batch in called or fixed else []
            equal = len(set(lengths.values())) == 1
            words += [f"{', '.join(others)} {_LENGTHS[place]}"] if equal else [f"{n} {k}" for n, k in lengths.items()]
            yield InputBatch(", ".join(words) or "its lengths", feeds, theirs, rows)
            if tried == enough:
                break
    if not tried:
        raise CheckFailed(
            f"No lengths were found at which both run; tried {', '.join(map(str, _LENGTHS))} for {', '.join(others)}. Give real "
            f"inputs with --data. The last one failed with: {refusal}"
        )


def _numbers(
    tensor: Tensor, shape: Sequence[int | str], lengths: Mapping[str, int], random: np.random.Generator, card: Any
) -> np.ndarray:
    extents = [
        extent if isinstance(extent, int) else derived_length(extent, lengths) or lengths[extent] for extent in shape
    ]
    if tensor.dtype in ("float16", "float32", "float64"):
        numbers = random.standard_normal(extents).astype(tensor.dtype)
        entries = card.inputs if card is not None else ()
        if any(entry.name == tensor.name and entry.padding_mark == "nan" for entry in entries):
            numbers[1::2, extents[1] - extents[1] // 3 :] = np.nan
        return numbers
    if tensor.dtype == "bool" or tensor.dtype.lstrip("u").startswith("int"):
        entries = card.inputs if card is not None else ()
        words = [len(entry.tokens) for entry in entries if entry.tokens and entry.name == tensor.name]
        most = words[0] if words else 256 if tensor.dtype == "uint8" else 2
        return random.integers(0, most, extents).astype(tensor.dtype)
    raise CheckFailed(f"The input {tensor} takes no numbers; none can be made up for it.")
