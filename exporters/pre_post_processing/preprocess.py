"""Stage that embeds the pre-processing into the file: that of pictures where it is asked for, that of rows of numbers by itself.

That of pictures is verified in two halves: the preparation alone against `runtime.preprocess`, within one grey level; and the whole file
against torch, which is given what the graph itself prepared, at the full tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch

from exporters.job import ExportJob, StageResult
from exporters.onnx_files.external_data import save_model
from exporters.pre_post_processing.pictures import Pixels, accepts, raw_from_prepared, trial_pictures
from exporters.pre_post_processing.preparation import build_preparation
from exporters.pre_post_processing.rows import embed_rows, row_inputs
from exporters.pre_post_processing.splicing import prepend_preparation
from exporters.settings import ExportSettings
from exporters.subject.subject import Subject
from exporters.targets import find_target, opset_version
from exporters.verifying.probes import BATCH_SIZES, Probe
from exporters.verifying.verify import References
from runtime.card import ImageInput, image_inputs
from runtime.errors import CheckFailed, SpecError
from runtime.preprocess import prepare_image, resized_size
from runtime.session import Session

__all__ = ["LEVELS", "check_preparation", "embed_preprocess", "preprocess_words"]

LEVELS = 1.0
"""Grey levels that the preparation in the graph may differ by from the one outside."""

# ONNX Runtime 1.5, which knows the operator set 12, computes the resampling wrong; 1.6 and later do not.
_OLDEST_OPSET = 13
Prepare = Callable[[Pixels], npt.NDArray[np.float32]]


def preprocess_words(settings: ExportSettings, subject: Subject) -> str | None:
    """Description of the stage, or None where it is not asked for.

    Raises:
        SpecError: the network takes no pictures, so there is nothing to prepare.
    """
    rows = row_inputs(subject) if settings.embed_preprocess is not False else []
    words = "the file takes rows as they are, and scales them itself" if rows else None
    if not settings.embed_preprocess or (rows and not image_inputs(subject.card.inputs)):
        return words
    _, card = _picture_input(subject)
    wanted = min(_wanted_opsets(settings), default=_OLDEST_OPSET)
    if wanted < _OLDEST_OPSET:
        raise SpecError(
            f"Operator set {wanted} was asked for; the preparation needs {_OLDEST_OPSET} (onnxruntime 1.6) or newer. Leave out "
            f"--embed-preprocess, or name a newer target."
        )
    size = "any size" if card.resize is not None or card.crop is not None else f"{card.size[0]} x {card.size[1]}"
    return f"the file takes uint8 pictures (N, H, W, {card.channels}) of {size}, and prepares them itself"


def embed_preprocess(job: ExportJob) -> StageResult:
    """Embed the pre-processing: the file takes raw rows and pictures. Raises CheckFailed where it differs from the runtime's."""
    notes = []
    if row_inputs(job.subject):
        job, note = embed_rows(job)
        notes.append(note)
    if job.settings.embed_preprocess and image_inputs(job.subject.card.inputs):
        job, note = _embed_pictures(job)
        notes.append(note)
    return StageResult(job, "; ".join(notes))


def _embed_pictures(job: ExportJob) -> tuple[ExportJob, str]:
    place, card = _picture_input(job.subject)
    model = onnx.load(job.path, load_external_data=False)
    opset = _own_opset(model)
    value = next(entry for entry in model.graph.input if entry.name == card.name)
    rows = value.type.tensor_type.shape.dim[0]
    batch: int | str = rows.dim_value if rows.HasField("dim_value") else rows.dim_param or "batch"
    prepare = _preparation(card, opset, model.ir_version, job.path.with_name("preparation.onnx"))
    raw = raw_from_prepared(job.subject.samples[place].numpy(), card)
    worst, count = check_preparation(card, prepare, raw)

    prepend_preparation(model, build_preparation(card, batch, value.type.tensor_type.elem_type))
    save_model(model, job.path)
    probes = tuple(_probes(job, prepare, batch))
    entries = list(job.subject.card.inputs)
    entries[place] = replace(card, prepared_in_graph=True)
    subject = replace(job.subject, card=replace(job.subject.card, inputs=tuple(entries)))
    job = replace(job, subject=subject, references=References(subject, probes))
    facts = {
        "pictures": count,
        "worst_levels": worst,
        "shapes": [list(shape) for shape in dict.fromkeys(raw.shape for raw in _raw_pictures(probes, card.name))],
    }
    note = f"uint8 pictures in; within {worst:.2g} grey levels of the preparation outside on {count} pictures"
    return job.with_facts("preprocess", facts), note


def check_preparation(card: ImageInput, prepare: Prepare, samples: Pixels) -> tuple[float, int]:
    """Compare a preparation in a graph with `runtime.preprocess` on pictures of many sizes.

    Args:
        card: of the pre-processing.
        prepare: uint8 (N, H, W, C) -> float32 (N, *card.shape).
        samples: uint8 (n, h, w, C), real pictures where there are any.

    Returns:
        (worst difference in grey levels, number of pictures).

    Raises:
        CheckFailed: they differ by more than `LEVELS`.
    """
    # of one grey level, in what the network takes
    step = np.array(card.scale / np.array(card.std or (1.0,) * card.channels))
    step = step.reshape((-1, 1, 1) if card.layout == "NCHW" else (-1,))
    worst, count = 0.0, 0
    for pictures in trial_pictures(card, samples):
        found = prepare(pictures)
        expected = np.stack([prepare_image(_plain(picture), card) for picture in pictures])
        difference = float((np.abs(found.astype(np.float64) - expected) / step).max())
        # a little more for the rounding of the scaling itself
        if not difference <= LEVELS + 1e-3:
            height, width = pictures.shape[1:3]
            raise CheckFailed(
                f"The preparation in the graph differs by {difference:.3g} grey levels from the one outside on a picture of {height} x "
                f"{width} pixels; up to {LEVELS:g} is allowed. Leave the preparation outside (without --embed-preprocess)."
            )
        worst, count = max(worst, difference), count + len(pictures)
    return worst, count


def _picture_input(subject: Subject) -> tuple[int, ImageInput]:
    """(position, card) of the only picture input. Raises SpecError where there is none, or several."""
    found = image_inputs(subject.card.inputs)
    if len(found) != 1:
        kinds = ", ".join(f"{entry.name} ({entry.kind})" for entry in subject.card.inputs)
        raise SpecError(
            f"The preparation can be put into the file of a network that takes one picture; this one takes {kinds}. Leave out "
            f"--embed-preprocess, or say with a card how its pictures are prepared (--card)."
        )
    return next(iter(found.items()))


def _own_opset(model: onnx.ModelProto) -> int:
    """Operator set of the file, in which the pre-processing is written."""
    own = opset_version(model)
    if own < _OLDEST_OPSET:
        raise CheckFailed(
            f"The file has the operator set {own}; the preparation needs {_OLDEST_OPSET} or newer. Leave out --embed-preprocess."
        )
    return own


def _wanted_opsets(settings: ExportSettings) -> list[int]:
    """Operator sets requested by number or by target."""
    wanted = [] if settings.opset_version is None else [settings.opset_version]
    return wanted if settings.target is None else [*wanted, find_target(settings.target).opset]


def _preparation(card: ImageInput, opset: int, ir_version: int, path: Path) -> Prepare:
    """Pre-processing graph as a function of arrays, run alone with the file's runtime."""
    save_model(build_preparation(card).as_model(card, opset, ir_version), path)
    session = Session(path, "cpu")
    output = session.outputs[0].name

    def prepare(pictures: Pixels) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = session.run({card.name: pictures})[output]
        return found

    return prepare


def _probes(job: ExportJob, prepare: Prepare, batch: int | str) -> Iterator[Probe]:
    """Probes with raw pictures: those that prepare to the probes so far, then pictures of other sizes."""
    place, card = _picture_input(job.subject)
    names = job.subject.input_names
    spatial = card.shape[1:] if card.layout == "NCHW" else card.shape[:2]
    found = [
        probe
        for probe in job.references.probes
        # the file takes no other sizes once it resizes by itself
        if tuple(probe.inputs[place].shape[2:] if card.layout == "NCHW" else probe.inputs[place].shape[1:3]) == spatial
    ]
    raws = [(probe, raw_from_prepared(probe.inputs[place].numpy(), card)) for probe in found]
    # Of a lower precision only what it was measured on can be asked: its own tolerance says nothing of stretched pictures.
    if job.tolerance.root_mean_square is None:
        for number, (size, probe) in enumerate(zip(_other_sizes(card), _of_sizes(found, batch), strict=False)):
            raw = raw_from_prepared(probe.inputs[place].numpy(), card)
            stretched = np.stack([_stretched(picture, *size, number) for picture in raw])
            raws.append((replace(probe, label=f"{probe.label}, pictures {size[0]} x {size[1]}"), stretched))
    for probe, raw in raws:
        inputs = list(probe.inputs)
        inputs[place] = torch.from_numpy(prepare(raw))
        feeds = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        yield replace(probe, inputs=tuple(inputs), feeds={**feeds, **(probe.feeds or {}), card.name: raw})


def _raw_pictures(probes: tuple[Probe, ...], name: str) -> Iterator[Pixels]:
    for probe in probes:
        if probe.feeds is not None:
            yield probe.feeds[name]


def _of_sizes(probes: list[Probe], batch: int | str) -> list[Probe]:
    """Probes of pictures of several sizes, at each batch size in turn."""
    by_rows = {len(probe.inputs[0]): probe for probe in probes}
    several = [by_rows[rows] for rows in BATCH_SIZES if rows in by_rows] if isinstance(batch, str) else []
    return (several or probes[:1]) * 4


def _other_sizes(card: ImageInput) -> list[tuple[int, int]]:
    height, width = card.size
    sizes = [(2 * height + 3, 3 * width - 1), (max(1, height // 2), width), (height + 7, max(1, width // 3)), (3, 5)]
    return [size for size in sizes if accepts(size, card) and resized_size(*size, card) != size]


def _stretched(picture: Pixels, height: int, width: int, turn: int) -> Pixels:
    """Resize a picture (h, w, C) by nearest pixels, flipped every second time."""
    rows = np.arange(height) * len(picture) // height
    columns = np.arange(width) * picture.shape[1] // width
    return np.ascontiguousarray(picture[:: -1 if turn % 2 else 1][rows][:, columns])


def _plain(picture: Pixels) -> Pixels:
    return picture[:, :, 0] if picture.shape[2] == 1 else picture
