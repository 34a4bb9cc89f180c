"""Assembly of a subject from a source: open, run once, check, name the outputs, start the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from exporters.forward.arguments import Arguments, read_example
from exporters.forward.evaluation_mode import check_modes, check_rows, check_same_again
from exporters.forward.exportable import check_exportable
from exporters.forward.first_attributes import FirstAttributes
from exporters.forward.forward_record import ForwardRecord, record_forward
from exporters.forward.results import flat_outputs, main_result, named_results
from exporters.outputs.choosing import choose_outputs, free_names
from exporters.outputs.detection import padded_detections
from exporters.settings import DEFAULTS, ExportSettings
from exporters.sources import LoadedModel, Source, open_source
from exporters.sources.torchscript import TorchScriptNetwork
from exporters.subject.dynamic_axes import batch_axes, without_axes
from exporters.subject.subject import Subject
from runtime.card import ArrayInput, InputCard, ModelCard
from runtime.errors import InputError, SpecError, ToolkitError
from runtime.results import class_axis, find_decoder

__all__ = ["make_subject"]

# Rows that a network is watched on before it is traced; all are compared later.
_WATCHED_ROWS = 4


def make_subject(
    source: Source,
    *,
    example: Any = None,
    settings: ExportSettings = DEFAULTS,
) -> Subject:
    """Make a subject from any exportable source; see `exporters.sources.open_source`.

    Raises:
        CheckpointError: a file cannot be read, or holds what must not be opened.
        InputError: the inputs cannot be determined, or the example does not fit.
        SpecError: an output, an architecture or a task does not exist.
        CheckFailed: the network does not go into evaluation mode, or its result is random.
    """
    opened = open_source(source, example, settings)
    module = padded_detections(opened.module)
    check_exportable(module)
    check_modes(module)
    first = None if isinstance(module, TorchScriptNetwork) else FirstAttributes(module)
    arguments, samples = read_example(module, opened.example)
    cards, arguments = _input_cards(opened, settings, arguments, samples)
    _check_rows_agree(samples, settings, opened)
    watched, found = _recorded_rows(module, arguments, samples, opened, settings)
    if found.writes:
        arguments = arguments.with_copies()

    def run(rows: tuple[torch.Tensor, ...] = watched) -> Any:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return arguments.call(module, rows)

    notes = list(opened.notes)
    check_same_again(module, found, run)
    if _has_plain_batch(watched, opened, settings) and len(watched[0]) > 1:
        row = tuple(tensor[:1] for tensor in watched)
        depends = check_rows(module, found, lambda: run(row), flat_outputs)
        notes += [depends] if depends else []
    if isinstance(module, TorchScriptNetwork):
        module.convert(watched)
    task = _task(opened, settings, found)
    answer = opened.answer if opened.task == task else None
    named = choose_outputs(module, task, settings.outputs, arguments, found, run, answer).eval()
    labels = tuple(map(str, settings.labels)) or opened.labels
    labels, said = _checked_labels(labels, task, opened, settings, found)
    notes += said
    if named.own:
        notes += [
            f"the output {own!r} is called {name!r}, because an input has its name"
            for name, own in free_names(named_results(found.result), arguments.names).items()
            if name != own and name in {card.name for card in named.cards}
        ]
    notes += [f"{path}={value!r} is fixed in the file" for path, value in arguments.constants.items()]
    card = ModelCard(task, cards, named.cards, labels, opened.training, {}, opened.producer or _producer())
    subject = Subject(
        named,
        samples,
        card,
        (),
        recorded=opened.recorded,
        source_axes=opened.source_axes,
        notes=tuple(notes),
        real=opened.real,
        rows=settings.batch_size,
        first=first,
    )
    return _with_axes(subject, settings)


def _with_axes(subject: Subject, settings: ExportSettings) -> Subject:
    """Set the initial dynamic axes: those of the source, those that are called batch, or the first axis of every input as the batch."""
    if subject.source_axes is not None:
        axes = subject.source_axes if settings.dynamic != () else without_axes(subject)
    else:
        axes = without_axes(subject) if settings.dynamic == () else batch_axes(subject.samples)
        if isinstance(settings.dynamic, Mapping):
            named = (settings.dynamic.get(name, {}) for name in subject.input_names)
            axes = tuple({axis: called for axis, called in one.items() if called == "batch"} for one in named)
    return replace(subject, axes=axes)


def _input_cards(
    opened: LoadedModel, settings: ExportSettings, arguments: Arguments, samples: tuple[torch.Tensor, ...]
) -> tuple[tuple[InputCard, ...], Arguments]:
    """Input cards and renamed arguments: the user's cards, else the source's, else plain arrays."""
    cards = settings.inputs if settings.inputs is not None else opened.inputs
    cards = cards and tuple(card.prepared_outside() for card in cards)  # as a file's card may say otherwise
    if cards is None:
        plain = tuple(
            ArrayInput(name, _row_shape(name, tensor, settings), str(tensor.dtype).removeprefix("torch."))
            for name, tensor in zip(arguments.names, samples, strict=True)
        )
        return plain, arguments
    if len(cards) != len(samples):
        raise InputError(
            f"{len(samples)} example inputs were given, but {len(cards)} are described. Describe each one."
        )
    return tuple(cards), arguments.with_names(tuple(card.name for card in cards))


def _row_shape(name: str, sample: torch.Tensor, settings: ExportSettings) -> tuple[int, ...]:
    """Shape of one row: without the axis that is called batch, else without the first."""
    named = settings.dynamic.get(name, {}) if isinstance(settings.dynamic, Mapping) else {}
    rows = next((axis for axis, called in named.items() if called == "batch"), 0)
    return tuple(length for axis, length in enumerate(sample.shape) if axis != rows)


def _check_rows_agree(samples: tuple[torch.Tensor, ...], settings: ExportSettings, opened: LoadedModel) -> None:
    """Raise InputError for different batch sizes where the first axis of every input is taken as the batch."""
    if opened.source_axes is not None or settings.dynamic == () or isinstance(settings.dynamic, Mapping):
        return
    sizes = [len(sample) for sample in samples if sample.ndim]
    if len(set(sizes)) != 1:
        raise InputError(
            f"The example inputs have different batch sizes: {sizes}. Say in Python which axis is the "
            f"batch, dynamic={{'x': {{0: 'batch'}}, 'state': {{1: 'batch'}}}}, or fix all lengths with --static."
        )


def _has_plain_batch(samples: tuple[torch.Tensor, ...], opened: LoadedModel, settings: ExportSettings) -> bool:
    """Test that the first axis of every input is the dynamic batch."""
    if settings.dynamic == () or not all(sample.ndim for sample in samples):
        return False
    if isinstance(settings.dynamic, Mapping):
        return all(axes.get(0) == "batch" for axes in settings.dynamic.values()) and len(settings.dynamic) == len(
            samples
        )
    if opened.source_axes is not None:
        return all(axes.get(0) == "batch" for axes in opened.source_axes)
    return True


def _recorded_rows(
    module: torch.nn.Module,
    arguments: Arguments,
    samples: tuple[torch.Tensor, ...],
    opened: LoadedModel,
    settings: ExportSettings,
) -> tuple[tuple[torch.Tensor, ...], ForwardRecord]:
    """Run a few rows, or all where a few do not run: (the rows, the forward record)."""
    tries = [samples]
    if _has_plain_batch(samples, opened, settings) and len(samples[0]) > _WATCHED_ROWS:
        tries.insert(0, tuple(sample[:_WATCHED_ROWS] for sample in samples))
    for rows in tries:
        try:
            given = tuple(tensor.clone() for tensor in rows)
            found = record_forward(module, _call(arguments, module, given))
            found.writes = any(tensor._version for tensor in given)
            return rows, found
        except ToolkitError:
            raise
        except Exception as error:  # whatever a module raises
            failed = error
    reason = (str(failed).splitlines() or [type(failed).__name__])[0]
    shapes = ", ".join(str(tuple(sample.shape)) for sample in samples)
    source = "its example" if opened.real else "inputs"
    raise InputError(
        f"{type(module).__name__} failed on {source} of shape {shapes}: {reason}. Give an example that it takes"
        f"{'' if opened.real else ', another --input-size, or a --card that describes its inputs'}."
    ) from failed


def _call(arguments: Arguments, module: torch.nn.Module, rows: tuple[torch.Tensor, ...]) -> Callable[[], Any]:
    return lambda: arguments.call(module, rows)


def _task(opened: LoadedModel, settings: ExportSettings, found: ForwardRecord) -> str:
    """Task of the card: the user's, else the source's where the result has its form, else "raw"."""
    if settings.task is not None:
        return settings.task
    if opened.task is None:
        return "raw"
    decoder = find_decoder(opened.task)
    if opened.recorded or opened.producer is not None or decoder.named_by_module:
        return opened.task
    result = main_result(found.result)
    return opened.task if isinstance(result, torch.Tensor) and result.ndim in decoder.result_axes else "raw"


def _checked_labels(
    labels: tuple[str, ...], task: str, opened: LoadedModel, settings: ExportSettings, found: ForwardRecord
) -> tuple[tuple[str, ...], list[str]]:
    """Labels, where their number equals the classes'. Raises SpecError where the user's own do not."""
    result = main_result(found.result)
    ours = opened.producer is not None and not settings.labels
    decoder = find_decoder(task)
    if not labels or decoder.named_by_module or not isinstance(result, torch.Tensor) or ours:
        return (labels if settings.labels or decoder.typed else ()), []
    width = result.shape[class_axis(result.ndim)]
    if settings.labels and set(labels) & set(opened.labels) and labels != opened.labels:
        raise SpecError(
            f"The labels {', '.join(labels)} were given; the network's own are {', '.join(opened.labels[:20])}, in this order, which its "
            f"outputs keep. Leave the labels out, or give new names for all of them in this order."
        )
    if len(labels) == width:
        return labels, []
    if settings.labels:
        raise SpecError(
            f"{len(labels)} labels were given; {type(opened.module).__name__} returns {width} numbers a row. Give one "
            f"name for each, in their order."
        )
    return (), [
        f"the published labels were left out: they are {len(labels)}, and the network returns {width} numbers a row"
    ]


def _producer() -> dict[str, str]:
    from toolkit.training.runs.producer import producer

    return producer()
