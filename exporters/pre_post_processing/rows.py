"""Preparation of rows of numbers in the file: the scaling of a table's columns as its first operators.

It is verified in two halves, as that of pictures: alone against `runtime.preprocess`, and the whole file against torch, which is
given what the graph itself prepared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from exporters.inputs import kind_of
from exporters.inputs.kind import RowPreparation
from exporters.job import ExportJob
from exporters.onnx_files.external_data import save_model
from exporters.pre_post_processing.operators import Operators
from exporters.pre_post_processing.preparation import Preparation
from exporters.pre_post_processing.splicing import prepend_preparation
from exporters.subject.subject import Subject
from exporters.targets import opset_version
from exporters.verifying.probes import Probe
from exporters.verifying.verify import References
from runtime.card import InputCard
from runtime.errors import CheckFailed
from runtime.preprocess.kinds import preprocessor_of
from runtime.session import Session

__all__ = ["embed_rows", "row_inputs"]

Array = np.ndarray[Any, Any]

_CLOSE = 2e-6
"""What the scaling in the graph may differ by from the one outside, relative to 1 + the scaled number."""


class RowInput(NamedTuple):
    """An input whose rows the file can prepare: its position, card, and the preparation."""

    place: int
    card: InputCard
    preparation: RowPreparation[Any]


def row_inputs(subject: Subject) -> list[RowInput]:
    """Inputs whose rows the file can prepare."""
    found = ((place, card, kind_of(card).row_preparation(card)) for place, card in enumerate(subject.card.inputs))
    return [RowInput(place, card, prepared) for place, card, prepared in found if prepared is not None]


def embed_rows(job: ExportJob) -> tuple[ExportJob, str]:
    """Put the scaling of all such inputs into the file: (the job after it, what was done in words).

    Raises:
        CheckFailed: it differs from `runtime.preprocess`.
    """
    worst, probes, cards = 0.0, job.references.probes, list(job.subject.card.inputs)
    model = onnx.load(job.path, load_external_data=False)
    for entry in row_inputs(job.subject):
        value = next(value for value in model.graph.input if value.name == entry.card.name)
        tensor = value.type.tensor_type
        rows = tensor.shape.dim[0]
        batch: int | str = rows.dim_value if rows.HasField("dim_value") else rows.dim_param or "batch"
        alone = _build(entry, 1, TensorProto.FLOAT)
        path = job.path.with_name("preparation.onnx")
        save_model(alone.as_model(entry.card, opset_version(model), model.ir_version), path)
        session = Session(path, "cpu")
        worst = max(worst, _check(entry, session, job.subject.samples[entry.place].numpy()))
        prepend_preparation(model, _build(entry, batch, tensor.elem_type))
        probes = tuple(_raw(probes, entry, session, job.subject.input_names))
        cards[entry.place] = entry.preparation.card
    save_model(model, job.path)
    subject = replace(job.subject, card=replace(job.subject.card, inputs=tuple(cards)))
    job = replace(job, subject=subject, references=References(subject, probes))
    return job.with_facts(
        "rows", {"worst": worst}
    ), f"rows go in as they are; within {worst:.1g} of the scaling outside"


def _build(entry: RowInput, batch: int | str, kind: int) -> Preparation:
    card = entry.preparation.card
    operators = Operators(f"{card.name}/preparation")
    value, raw = card.name, TensorProto.FLOAT if card.fed_dtype == "float32" else TensorProto.DOUBLE
    for operator, constant in entry.preparation.steps:
        value = operators(operator, value, constant)
    if kind != raw:
        value = operators("Cast", value, to=kind)
    given = helper.make_tensor_value_info(card.name, raw, [batch, *card.shape])
    return Preparation(tuple(operators.nodes), tuple(operators.constants), given, value)


def _check(entry: RowInput, session: Session, samples: Array) -> float:
    """Worst difference from the preparation outside, on the samples and up to six deviations from the mean."""
    card, kind = entry.card, kind_of(entry.card)
    wide = np.linspace(-6, 6, 49)[:, None] * np.where(np.arange(card.shape[0] or 1) % 2, -1.0, 1.0)
    worst = 0.0
    for row in kind.raw_rows(np.concatenate([samples.astype(np.float64), wide]), card):
        expected = preprocessor_of(card).feed(row[None].astype(np.float64), card).astype(np.float64)
        found = _run(session, card, row[None]).astype(np.float64)
        worst = max(worst, float((np.abs(found - expected) / (1 + np.abs(expected))).max()))
    if not worst <= _CLOSE:
        raise CheckFailed(
            f"The scaling of {card.name!r} in the graph differs by {worst:.3g} from the one outside; up to {_CLOSE:g} is allowed. Leave it "
            f"outside with --no-embed-preprocess."
        )
    return worst


def _run(session: Session, card: InputCard, rows: Array) -> Array:
    """Prepare rows (N, ...) by the graph, one at a time."""
    output = session.outputs[0].name
    return np.concatenate([session.run({card.name: row[None]})[output] for row in rows])


def _raw(probes: tuple[Probe, ...], entry: RowInput, session: Session, names: list[str]) -> Iterator[Probe]:
    """Probes with raw rows, and torch's inputs as the graph prepares them."""
    kind = kind_of(entry.card)
    for probe in probes:
        raw = kind.raw_rows(probe.inputs[entry.place].numpy(), entry.card)
        inputs = list(probe.inputs)
        inputs[entry.place] = torch.from_numpy(_run(session, entry.card, raw))
        feeds = probe.feeds or {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        yield replace(probe, inputs=tuple(inputs), feeds={**feeds, entry.card.name: raw})
