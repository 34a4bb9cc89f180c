"""Calibration and evaluation data of a lower precision, and their sources."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exporters.precision.examples import Examples, open_examples
from exporters.precision.rows import Feeds, evenly, row_count
from exporters.settings import ExportSettings
from exporters.subject.lengths import row_axes
from exporters.subject.subject import Subject
from runtime.card import ModelCard
from runtime.errors import CheckFailed, InputError, ToolkitError
from runtime.results import find_decoder

__all__ = ["RealData", "gather"]

# Inputs that ranges are found on: more change them little, and each costs a run with all intermediate results.
_MOST_CALIBRATION = 256
# Prepared inputs that are kept in memory; of more, evenly spaced ones are taken.
_MOST_BYTES = 1024**3
# How far the numbers of calibration inputs may lie from those of the network's own samples.
_SHIFT, _SPREAD = 4.0, 5.0
# Of labelled data: fewer rows say nothing of a tenth of a point.
_FEW_ROWS = 100


@dataclass(frozen=True)
class RealData:
    """Prepared calibration and evaluation inputs.

    Attributes:
        calibration: inputs on which activation ranges are found.
        evaluation: inputs on which files are evaluated.
        targets: of `evaluation`; None where they are not known, and files are compared with float32 only.
        notes: where they come from, in words.
        sources: the notes as plain containers, for JSON.
    """

    calibration: Feeds
    evaluation: Feeds
    targets: np.ndarray[Any, Any] | None
    notes: tuple[str, ...]
    sources: Mapping[str, Any]


def gather(subject: Subject, settings: ExportSettings) -> RealData:
    """Collect calibration and evaluation data from the settings, else from the checkpoint.

    Evaluation data: the labelled data given; else the held-out part of the training data, where it still exists; else
    all available inputs, by their agreement with float32.

    Raises:
        CheckFailed: the calibration inputs are not prepared as the network's own samples are.
        InputError: what was given cannot be read, or there are no real inputs to find ranges on.
    """
    card = subject.card
    if not subject.real and settings.calibration is None and settings.precision in ("int8", "auto"):
        raise InputError(
            "int8 finds the ranges of a network's numbers on real inputs, and none came with this network. Give some with "
            "--calibration: a folder of pictures, a table, or an .npz file with `data`; labelled ones with --evaluation say "
            "what accuracy is lost."
        )
    samples: Feeds = _rows(subject)
    calibration, calibrated_on = samples, f"{row_count(samples)} samples of the network"
    if settings.calibration is not None:
        calibration, calibrated_on = _calibration(settings.calibration, card)
        _same_preparation(calibration, samples, settings.calibration)
    evaluation, why = _labelled(subject, settings)
    if evaluation is not None:
        feeds, targets, judged_on = _fitting(evaluation, card)
    else:
        feeds, targets = _joined(samples, calibration), None
        judged_on = f"agreement with fp32 on {row_count(feeds)} inputs, for {why}"
    few = targets is not None and len(targets) < _FEW_ROWS
    hint = f"; {len(targets)} are few, give more with --evaluation" if targets is not None and few else ""
    return RealData(
        calibration,
        feeds,
        targets,
        (f"calibrated on {calibrated_on}", f"judged by {judged_on}{hint}"),
        {
            "calibration": calibrated_on,
            "evaluation": judged_on,
            "rows": row_count(feeds),
            "labelled": targets is not None,
        },
    )


def _rows(subject: Subject) -> dict[str, np.ndarray[Any, Any]]:
    """Samples with their rows in the first axis. Raises InputError where an input has none."""
    found = {}
    for name, tensor, axis in zip(subject.input_names, subject.samples, row_axes(subject), strict=True):
        if axis is None:
            shapes = ", ".join(
                f"{name} {tuple(tensor.shape)}"
                for name, tensor in zip(subject.input_names, subject.samples, strict=True)
            )
            raise InputError(
                f"A lower precision is measured row by row; the inputs have no batch in common ({shapes}). Say which axis is the "
                f"batch, dynamic={{{name!r}: {{0: 'batch'}}}} in Python, or keep float32."
            )
        found[name] = tensor.detach().cpu().movedim(axis, 0).numpy()
    return found


def _calibration(path: str | os.PathLike[str], card: ModelCard) -> tuple[Feeds, str]:
    found = open_examples(path, card)
    positions = evenly(len(found), _MOST_CALIBRATION)
    feeds = found.feeds(card, positions)
    return feeds, f"{len(positions):,} of {len(found):,} inputs in {found.source}"


def _labelled(subject: Subject, settings: ExportSettings) -> tuple[Examples | None, str]:
    """Labelled examples, or the reason why there are none."""
    card = subject.card
    if settings.evaluation is not None:
        found = open_examples(settings.evaluation, card, "test")
        if found.targets is None and find_decoder(card.task).measure is not None:
            raise InputError(
                f"{settings.evaluation} has no labels for {card.task}; accuracy cannot be measured on it. Give pictures in one "
                f"folder a class, a .csv file with a column of labels, or an .npz file with `data` and `label`."
            )
        return found, ""
    if find_decoder(card.task).measure is None:
        return None, "the task has no right answers"
    try:
        return _held_out(subject.recorded, card)
    except (ToolkitError, OSError, KeyError, TypeError, ValueError, IndexError):
        return None, "the data that the network was trained on is not there any more (--evaluation names labelled data)"


def _held_out(recorded: Mapping[str, Any], card: ModelCard) -> tuple[Examples | None, str]:
    """Held-out data: the test part of the training data, else the rows that the training kept for validation."""
    if not recorded:
        return None, "there is no labelled data (--evaluation names some)"
    source, split = Path(recorded["data"]["source"]), recorded["split"]
    whole = open_examples(source, card, "train")
    for place in (source, source.parent):
        if place.is_dir():
            try:
                test = open_examples(place, card, "test")
            except ToolkitError:
                continue
            if test.targets is not None and not _same_items(test, whole):
                return test, ""
    if whole.targets is None or len(whole) != recorded["data"]["examples"]:
        raise InputError("The data has changed.")
    if split["validation"] is None or not split["same_source"]:
        raise InputError("The training kept none of it for validation.")
    rows = np.asarray(split["validation"]).astype(np.int64)
    items = {
        name: values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]
        for name, values in whole.items.items()
    }
    return Examples(items, whole.targets[rows], f"the validation part of {whole.source}"), ""


def _same_items(one: Examples, other: Examples) -> bool:
    """Test that two examples hold the same rows: a source with a single part returns it for every part."""
    (first,), (second,) = (tuple(examples.items.values()) for examples in (one, other))
    return len(first) == len(second) and all(
        np.array_equal(first[place], second[place])
        if isinstance(first[place], np.ndarray)
        else first[place] == second[place]
        for place in (0, -1)
    )


def _fitting(found: Examples, card: ModelCard) -> tuple[Feeds, np.ndarray[Any, Any] | None, str]:
    """Subset of the examples that fits the memory limit, evenly spaced."""
    one = found.feeds(card, np.array([0]))
    most = max(1, _MOST_BYTES // max(1, sum(array.nbytes for array in one.values())))
    positions = evenly(len(found), most)
    feeds = found.feeds(card, positions)
    targets = None if found.targets is None else found.targets[positions]
    part = "" if len(positions) == len(found) else f" of {len(found):,}, evenly spaced,"
    return feeds, targets, f"{len(positions):,}{part} inputs in {found.source}"


def _joined(samples: Feeds, calibration: Feeds) -> Feeds:
    """Union of two sets of rows, without duplicates."""
    if calibration is samples or any(samples[name].shape[1:] != calibration[name].shape[1:] for name in samples):
        return samples
    return {name: np.concatenate([samples[name], calibration[name]]) for name in samples}


def _same_preparation(calibration: Feeds, samples: Feeds, source: str | os.PathLike[str]) -> None:
    """Raise CheckFailed where values are far from those of the network's samples, as un-normalised inputs are."""
    for name, own in samples.items():
        given = calibration[name]
        if own.dtype.kind != "f" or not own.size:
            continue
        own, given = own[~np.isnan(own)], given[~np.isnan(given)]  # without padded steps
        spread = max(float(own.std()), 1e-6)
        shift = abs(float(given.mean()) - float(own.mean())) / spread
        wider = max(float(given.std()), 1e-6) / spread
        if shift > _SHIFT or not 1 / _SPREAD <= wider <= _SPREAD:
            raise CheckFailed(
                f"The calibration inputs in {source} are not prepared as the network's own are: the input {name!r} has mean "
                f"{given.mean():.3g} and deviation {given.std():.3g} there, and mean {own.mean():.3g} and deviation "
                f"{own.std():.3g} in the samples that came with the network. Ranges found on them would ruin int8. Give "
                f"files as they are (the card's pre-processing is applied to them), or arrays that are scaled and normalised."
            )
