"""Numerical comparison of any two of checkpoint, torch module and ONNX file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from exporters.comparing.agreement import Labels
from exporters.comparing.card_view import CardView, aligned, card_views
from exporters.comparing.compared_models import (
    ComparedFile,
    ComparedModel,
    ComparedNetwork,
    is_model_file,
    open_file,
    open_network,
)
from exporters.comparing.comparison import Comparison
from exporters.comparing.differences import OutputDifference, OutputStatistics
from exporters.comparing.input_batches import InputBatch, data_feeds, feeds_for, prepares
from exporters.comparing.layers import ROUNDING, LayerReport, find_divergence
from exporters.comparing.pairing import pair_by_likeness, pair_inputs, pair_outputs
from exporters.forward.modes import restore_modes
from exporters.settings import Tolerance, make_settings
from exporters.sources import Source
from exporters.verifying.units import PLAIN, output_units
from runtime.card import STEP_ROLES, ModelCard
from runtime.errors import CheckFailed, InputError
from runtime.results import find_decoder

__all__ = ["check", "compare_networks"]


def check(first: Source, second: Source, **options: Any) -> Comparison:
    """Compare as `compare_networks`, and raise where the networks differ.

    Raises:
        CheckFailed: they differ; says where, and by how much.
    """
    found = compare_networks(first, second, **options)
    if not found.passed:
        raise CheckFailed(" ".join([f"{found.first} and {found.second} are not the same.", *found.problems[:3]]))
    return found


@restore_modes
def compare_networks(
    first: Source,
    second: Source,
    *,
    example: Any = None,
    data: str | os.PathLike[str] | None = None,
    layers: bool = False,
    tolerance: Tolerance | None = None,
    **settings: Any,
) -> Comparison:
    """Run two networks on the same inputs and measure the differences of their outputs.

    Each may be an ONNX file, with a card or from elsewhere, or anything that `export` takes. Outputs are paired by name;
    where no name is in both, each goes to the most similar one of its shape. Where one is a torch network its samples are
    run, at several batch sizes and lengths; two files get random numbers.

    Args:
        first, second: the networks; a torch network is the reference where there is one, else the first.
        example: one batch of input for a torch module.
        data: a folder or a file of real inputs, which are prepared by the card and run as well.
        layers: find the first layer that differs.
        tolerance: allowed difference; None takes the tolerance recorded at export, else absolute 1e-5 and relative 1e-5.
        settings: the fields of `ExportSettings` that say how to open a network, such as `arch`, and `outputs`.

    Raises:
        CheckFailed: they cannot be compared, for want of common inputs or outputs, or one does not run.
        ModelFileError, CheckpointError, InputError, SpecError, CardError: one of them, or the data, cannot be opened.
    """
    one, two = _open_both(first, second, example, settings)
    if isinstance(two, ComparedNetwork) and isinstance(one, ComparedFile):
        one, two = two, one
    before: list[str] = []
    if tolerance is None:
        tolerance, before = _allowed_at_export(one, two)
    found = _compared(one, two, data, layers, tolerance, settings)
    if not found.passed and isinstance(one, ComparedNetwork) and one.answers and isinstance(two, ComparedFile):
        older = _compared(one.plain(), two, data, layers, tolerance, settings)
        if older.passed:
            found = older
            before.append(
                f"{two.name} gives the network's plain outputs, as version 0.3 exported them, and not its answer after its loss; "
                f"export it anew for that"
            )
    return replace(found, notes=(*before, *found.notes))


def _compared(
    one: ComparedModel,
    two: ComparedModel,
    data: str | os.PathLike[str] | None,
    layers: bool,
    tolerance: Tolerance,
    settings: Mapping[str, Any],
) -> Comparison:
    wanted = settings.get("outputs")
    notes: list[str] = []
    names = _input_names(one, two)
    asked = make_settings(settings)
    feeds = feeds_for(one, two, names, asked) if data is None else data_feeds(one, two, data, names)
    pairs = pair_outputs(one, two, wanted)
    running: dict[tuple[str, str], OutputStatistics] = {}
    labels: Labels | None = None
    views: list[CardView] = []
    shapes: dict[str, None] = {}
    rows = 0
    smallest: InputBatch | None = None
    units = [output_units(side.card) for side in (one, two)]
    for feed in feeds:
        found, others = _run_both(one, two, feed, pairs)
        if pairs is None:
            pairs = pair_by_likeness(found, others, (one.name, two.name))
            notes.append(f"outputs paired by what they say: {', '.join(f'{a} with {b}' for a, b in pairs.items())}")
        views = views or card_views(one, two, pairs)
        labels = labels or Labels(views)
        ordered = aligned(views, found, others)
        for mine, theirs in pairs.items():
            unit = units[0].get(mine) or units[1].get(theirs) or PLAIN
            entry = running.setdefault((mine, theirs), OutputStatistics(mine, theirs, tolerance, unit))
            entry.add(
                feed.label, _without_padding_rows(feed, found[mine]), _without_padding_rows(feed, ordered[theirs])
            )
        labels.add(feed, found, ordered)
        shapes[feed.label if data is None else f"the data in {Path(data).name or data}"] = None
        rows += feed.rows
        if smallest is None or (smallest.rows < 2 <= feed.rows):
            smallest = feed
    assert smallest is not None and labels is not None
    outputs = tuple(entry.done() for entry in running.values())
    notes += [f"the output {entry.first!r} is NaN in both in {entry.nans:,} numbers" for entry in outputs if entry.nans]
    return Comparison(
        one.name,
        two.name,
        outputs,
        tuple(shapes),
        rows,
        tolerance,
        tuple(_card_differences(one, two, wanted)),
        labels.done(),
        _layers(one, two, smallest, outputs, tolerance) if layers else None,
        tuple(notes),
    )


def _open_both(
    first: Source, second: Source, example: Any, settings: Mapping[str, Any]
) -> tuple[ComparedModel, ComparedModel]:
    asked = make_settings(settings)
    files = [open_file(source) if is_model_file(source) else None for source in (first, second)]
    card = next((file.card for file in files if file is not None), None)
    sides: list[ComparedModel] = []
    for position, (source, file) in enumerate(zip((first, second), files, strict=True)):
        label = None
        if file is None and not isinstance(source, str | os.PathLike) and files == [None, None]:
            label = f"the {('first', 'second')[position]} {type(source).__name__}"
        sides.append(file if file is not None else open_network(source, example, asked, card, label))
    return sides[0], sides[1]


def _input_names(one: ComparedModel, two: ComparedModel) -> dict[str, str]:
    if prepares(one) or prepares(two):
        if len(one.inputs) == len(two.inputs) == 1:
            return {one.inputs[0].name: two.inputs[0].name}
        raise CheckFailed(f"{one.name} and {two.name} take other inputs, and one prepares its pictures by itself.")
    return pair_inputs(one, two)


def _run_both(
    one: ComparedModel, two: ComparedModel, feed: InputBatch, pairs: Mapping[str, str] | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    mine: Sequence[str] = one.outputs if pairs is None else list(pairs)
    theirs: Sequence[str] = two.outputs if pairs is None else list(pairs.values())
    try:
        return one.run(feed.first, mine), two.run(feed.second, theirs)
    except InputError as error:
        raise CheckFailed(f"One of the two does not run at {feed.label}: {error}") from error


def _without_padding_rows(feed: InputBatch, array: np.ndarray) -> np.ndarray:
    """Output without the padding rows of a filled-up batch: (rows, ...). One that is not a row an input comes back as it is."""
    filled = feed.rows + feed.padding
    return array[: feed.rows] if feed.padding and array.ndim and len(array) == filled else array


def _allowed_at_export(one: ComparedModel, two: ComparedModel) -> tuple[Tolerance, list[str]]:
    """(tolerance, notes): from a file's card where it was exported at a lower precision, else the strict one."""
    for side in (one, two):
        if isinstance(side, ComparedFile) and side.card is not None:
            told = side.card.parity.get("tolerance")
            if isinstance(told, Mapping) and told.get("root_mean_square") is not None:
                limits = {
                    name: told.get(name) for name in ("absolute", "relative", "root_mean_square", "min_agreement")
                }
                if all(value is None or isinstance(value, int | float) for value in limits.values()):
                    found = Tolerance(**{name: value for name, value in limits.items() if value is not None})
                    return found, [
                        f"allowed is what {side.name} was allowed when it was exported; --atol and --rtol set other limits"
                    ]
    return Tolerance(), []


def _card_differences(one: ComparedModel, two: ComparedModel, wanted: Sequence[str] | None) -> Iterable[str]:
    if one.card is None or two.card is None or _is_typed(one.card) != _is_typed(two.card):
        return
    for what in ("task", "inputs", "outputs", "labels"):
        if what == "outputs" and wanted is not None:
            continue
        first, second = _plain(one.card, what, two.card), _plain(two.card, what, one.card)
        if first != second:
            yield f"The card of {one.name} has other {what} than that of {two.name}: {first} against {second}."


def _is_typed(card: ModelCard) -> bool:
    return find_decoder(card.task).typed


def _plain(card: ModelCard, what: str, other: ModelCard) -> str:
    """Card field as text for comparison; ignores `prepared_in_graph`, the outputs of post-processing steps, and the length of
    an axis that the other card leaves free: a network's example has one length, its file takes any."""
    value = getattr(card, what)
    if what == "inputs":
        free = {
            entry.name: {axis for axis, length in enumerate(entry.shape, start=1) if length is None}
            for entry in other.inputs
        }
        plain = [entry.prepared_outside().with_free_axes(free.get(entry.name, ())) for entry in value]
        return "; ".join(f"{entry.name} ({entry.describe()})" for entry in plain)
    if what == "outputs":
        return ", ".join(f"{entry.name} ({entry.role})" for entry in value if entry.role not in STEP_ROLES)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _layers(
    one: ComparedModel,
    two: ComparedModel,
    feed: InputBatch,
    outputs: tuple[OutputDifference, ...],
    tolerance: Tolerance,
) -> LayerReport:
    rounding = max(ROUNDING, tolerance.relative, tolerance.root_mean_square or 0.0)
    apart = [entry.root_mean_square for entry in outputs if entry.problem is not None]
    if apart:  # a layer that is as far off as the outputs is not equal, however little that is
        rounding = min(max(tolerance.relative, tolerance.root_mean_square or 0.0, 1e-5), max(1e-6, min(apart) / 3))
    differing = {entry.first: entry.problem is not None for entry in outputs}
    return find_divergence(one.steps(feed.first), two.steps(feed.second), differing, rounding)
