"""Stage that embeds post-processing into the file: softmax, top-k classes, non-maximum suppression.

Its outputs are compared with NumPy's, computed from the network's outputs, which are compared with torch separately.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from exporters.job import ExportJob, StageResult
from exporters.onnx_files.external_data import save_model
from exporters.pre_post_processing.operators import Operators
from exporters.pre_post_processing.splicing import append_nodes
from exporters.pre_post_processing.steps import Softmax, TopK, read_steps
from exporters.pre_post_processing.suppression import Suppression, kept_boxes, suppress
from exporters.settings import ExportSettings
from exporters.subject.lengths import row_count, with_rows
from exporters.subject.subject import Subject
from exporters.verifying.verify import References
from runtime.card import OutputCard
from runtime.errors import CheckFailed, SpecError
from runtime.results import class_axis, find_decoder
from runtime.session import Session

__all__ = ["check_steps", "embed_postprocess", "postprocess_words"]

Array = npt.NDArray[Any]
_TOP = ("top_indices", "top_probabilities")
_SELECTED = ("selected", "selected_boxes", "selected_scores", "selected_classes")
# Batches that the steps are compared on.
_BATCHES = 4


@dataclass(frozen=True)
class _Plan:
    """Inputs of each post-processing step.

    Attributes:
        softmax: the logits, and the axis of their classes.
        top: the probabilities, and how many classes are kept.
        boxes: the boxes, the scores, and whether these are (N, A, K) rather than (N, K, A).
        rule: which boxes are kept.
    """

    softmax: tuple[str, int] | None = None
    top: tuple[str, int] | None = None
    boxes: tuple[str, str, bool] | None = None
    rule: Suppression = field(default_factory=Suppression)

    @property
    def outputs(self) -> tuple[OutputCard, ...]:
        """Cards of the added outputs."""
        found: list[OutputCard] = []
        if self.softmax is not None:
            found.append(OutputCard("probabilities", "probabilities"))
        if self.top is not None:
            found += [OutputCard(name, name) for name in _TOP]
        if self.boxes is not None:
            found += [OutputCard(name, name) for name in _SELECTED]
        return tuple(found)


def postprocess_words(settings: ExportSettings, subject: Subject) -> str | None:
    """Description of the stage, or None where no step is asked for.

    Raises:
        SpecError: there is no such step, or the network has no output for it.
    """
    if not settings.embed_postprocess:
        return None
    planned = _planned(settings, subject)
    return f"{', '.join(settings.embed_postprocess)} behind the network; adds {_names(planned)}"


def embed_postprocess(job: ExportJob) -> StageResult:
    """Add the post-processing outputs. Raises CheckFailed where they differ from NumPy's."""
    planned = _planned(job.settings, job.subject)
    model = onnx.load(job.path, load_external_data=False)
    operators = Operators("steps")
    _write(operators, planned)
    append_nodes(model, operators.nodes, operators.constants, _values(model, planned))
    save_model(model, job.path)
    card = job.subject.card
    subject = replace(job.subject, card=replace(card, outputs=(*card.outputs, *planned.outputs)))
    references = job.references.of(subject)
    checks = (*job.checks, lambda path: check_steps(path, planned, references))
    job = replace(job, subject=subject, references=references, checks=checks)
    selected = check_steps(job.path, planned, references)
    if planned.boxes is not None and not selected:
        job = job.noted(
            f"no sample has a score above {planned.rule.score:g}, so non-maximum suppression was verified on no box at all"
        )
    facts = {
        "steps": list(job.settings.embed_postprocess),
        "outputs": [entry.name for entry in planned.outputs],
        **({"boxes": selected} if planned.boxes is not None else {}),
    }
    note = f"{', '.join(job.settings.embed_postprocess)}; adds {_names(planned)}, equal to NumPy's"
    return StageResult(job.with_facts("postprocess", facts), note)


def check_steps(path: Path, planned: _Plan, references: References) -> int:
    """Compare the post-processing outputs of a file with NumPy's, computed from its other outputs.

    Returns:
        Total number of boxes kept.

    Raises:
        CheckFailed: they differ.
    """
    session = Session(path, "cpu")
    names = references.subject.input_names
    kept = 0
    # the last ones first: they have the other shapes
    for probe in references.probes[::-1][:_BATCHES]:
        feeds = probe.feeds
        if feeds is None:
            feeds = {name: tensor.numpy() for name, tensor in zip(names, probe.inputs, strict=True)}
        found = session.run(feeds)
        expected = _expected(found, planned)
        for name, array in expected.items():
            got = found[name]
            tolerance = 0.0 if got.dtype == np.int64 else 1e-6
            if got.shape != array.shape or not np.allclose(got, array, rtol=tolerance, atol=tolerance, equal_nan=True):
                raise CheckFailed(
                    f"The output {name!r} of the steps behind the network is not what NumPy makes of the network's own outputs at "
                    f"{probe.label}. Leave the step out (--embed-postprocess), and apply it outside of the file."
                )
        kept += len(found["selected"]) if planned.boxes is not None else 0
    return kept


def _planned(settings: ExportSettings, subject: Subject) -> _Plan:
    """Assign to each step the output that it takes."""
    shapes = _result_shapes(subject)
    found = _Plan()
    for step in read_steps(settings.embed_postprocess):
        if isinstance(step, Softmax):
            logits = _logits(subject, shapes)
            found = replace(found, softmax=(logits, class_axis(len(shapes[logits]))))
        elif isinstance(step, TopK):
            found = replace(found, top=(_probabilities(subject, shapes, found, step.count), step.count))
        else:
            found = replace(found, boxes=_boxes(shapes), rule=step)
    taken = {entry.name for entry in subject.card.outputs}
    for entry in found.outputs:
        if entry.name in taken:
            raise SpecError(
                f"The network has an output {entry.name!r} of its own, which a step behind it would be called too. Name its "
                f"outputs otherwise (--outputs)."
            )
    return found


def _result_shapes(subject: Subject) -> dict[str, tuple[int, ...]]:
    """Output -> the shape that torch gives on the first samples."""
    import torch

    with torch.no_grad():
        results = subject.module(*with_rows(subject, min(2, row_count(subject) or 2)))
    return {name: tuple(result.shape) for name, result in zip(subject.output_names, results, strict=True)}


def _logits(subject: Subject, shapes: Mapping[str, tuple[int, ...]]) -> str:
    card = subject.card
    if card.output("probabilities") is not None:
        raise SpecError("A softmax was asked for, but the file gives probabilities already. Leave the step out.")
    if find_decoder(card.task).activation != "softmax":
        raise SpecError(
            f"A softmax was asked for, but the task is {card.task}: its numbers are no logits of one class. Leave the step out."
        )
    name = card.output("logits")
    if name is None and len(shapes) == 1:
        name = next(iter(shapes))
    if name is None or len(shapes[name]) < 2:
        raise SpecError(
            f"A softmax was asked for, but the outputs {_shown(shapes)} do not tell which are the logits. Name one of them "
            f"so: --outputs logits."
        )
    return name


def _probabilities(subject: Subject, shapes: Mapping[str, tuple[int, ...]], so_far: _Plan, count: int) -> str:
    name = subject.card.output("probabilities")
    taken = so_far.softmax[0] if so_far.softmax is not None else name
    if taken is None:
        raise SpecError(
            f"The step top-k:{count} takes probabilities; the network gives {_shown(shapes)}. Put softmax before it, or ask for "
            f"probabilities with --outputs."
        )
    shape = shapes[taken]
    if len(shape) != 2:
        raise SpecError(
            f"The step top-k:{count} takes probabilities of shape (N, K); {taken} has the shape {shape}. Leave the step out."
        )
    if count > shape[1]:
        raise SpecError(
            f"The step top-k:{count} was asked for; there are {shape[1]} classes. Ask for top-k:{shape[1]}."
        )
    return "probabilities" if so_far.softmax is not None else taken


def _boxes(shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, str, bool]:
    """(boxes, scores, whether the scores are (N, A, K))."""
    three = {name: shape for name, shape in shapes.items() if len(shape) == 3}
    boxes = "boxes" if "boxes" in three else next((name for name, shape in three.items() if shape[2] == 4), None)
    rest = [name for name in three if name != boxes]
    scores = "scores" if "scores" in rest else rest[0] if len(rest) == 1 else None
    anchors = three[boxes][1] if boxes is not None else 0
    if boxes is None or three[boxes][2] != 4 or scores is None or anchors not in three[scores][1:]:
        raise SpecError(
            f"Non-maximum suppression takes boxes (N, A, 4) and scores (N, A, K) or (N, K, A); the network gives {_shown(shapes)}. "
            f"Give it these outputs, named boxes and scores (--outputs boxes,scores)."
        )
    return boxes, scores, three[scores][1] == anchors


def _write(operators: Operators, planned: _Plan) -> None:
    if planned.softmax is not None:
        name, axis = planned.softmax
        operators.named("Softmax", [name], ["probabilities"], axis=axis)
    if planned.top is not None:
        source, count = planned.top
        operators.named("TopK", [source, operators.constant(np.array([count]))], [_TOP[1], _TOP[0]], axis=1)
    if planned.boxes is not None:
        boxes, scores, rows = planned.boxes
        suppress(operators, boxes, scores, rows, planned.rule, _SELECTED)


def _values(model: onnx.ModelProto, planned: _Plan) -> list[onnx.ValueInfoProto]:
    """Value infos of the new outputs: types and shapes."""
    shapes = _shapes({value.name: value for value in model.graph.output}, planned)
    return [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in shapes.items()]


def _shapes(outputs: Mapping[str, onnx.ValueInfoProto], planned: _Plan) -> dict[str, tuple[int, list[Any]]]:
    found: dict[str, tuple[int, list[Any]]] = {}
    if planned.softmax is not None:
        found["probabilities"] = _type_of(outputs[planned.softmax[0]])
    if planned.top is not None:
        name, count = planned.top
        kind, shape = found.get(name) or _type_of(outputs[name])
        found["top_indices"] = (TensorProto.INT64, [shape[0], count])
        found["top_probabilities"] = (kind, [shape[0], count])
    if planned.boxes is not None:
        rows: list[Any] = ["kept"]
        kind = _type_of(outputs[planned.boxes[0]])[0]
        found["selected"] = (TensorProto.INT64, [*rows, 3])
        found["selected_boxes"] = (kind, [*rows, 4])
        found["selected_scores"] = (kind, rows)
        found["selected_classes"] = (TensorProto.INT64, rows)
    return found


def _type_of(value: onnx.ValueInfoProto) -> tuple[int, list[Any]]:
    tensor = value.type.tensor_type
    lengths = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim]
    return tensor.elem_type, lengths


def _expected(found: Mapping[str, Array], planned: _Plan) -> dict[str, Array]:
    """Reference results of the steps in NumPy, from the network's own outputs."""
    result: dict[str, Array] = {}
    if planned.softmax is not None:
        name, axis = planned.softmax
        shifted = np.exp(found[name] - found[name].max(axis, keepdims=True))
        result["probabilities"] = shifted / shifted.sum(axis, keepdims=True)
    if planned.top is not None:
        name, count = planned.top
        order = np.argsort(-found[name], axis=1, kind="stable")[:, :count]
        result["top_indices"] = order.astype(np.int64)
        result["top_probabilities"] = np.take_along_axis(found[name], order, axis=1)
    if planned.boxes is not None:
        boxes, scores, rows = planned.boxes
        by_class = found[scores].transpose(0, 2, 1) if rows else found[scores]
        selected = kept_boxes(found[boxes], by_class, planned.rule)
        pictures, kinds, places = selected.T
        result["selected"] = selected
        result["selected_boxes"] = found[boxes][pictures, places]
        result["selected_scores"] = by_class[pictures, kinds, places]
        result["selected_classes"] = kinds
    return result


def _names(planned: _Plan) -> str:
    return ", ".join(entry.name for entry in planned.outputs)


def _shown(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
