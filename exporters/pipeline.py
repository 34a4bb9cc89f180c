"""The pipeline: trace -> simplify -> stamp -> verify. A file that does not pass is not written."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import onnx
import torch

from exporters.report import Report, Stage
from exporters.simplify import simplify as simplify_graph
from exporters.stamp import stamp
from exporters.subject import Source, Subject, default_target, make_subject
from exporters.trace import trace
from exporters.verify import ABSOLUTE, RELATIVE, Parity, compare
from runtime.atomic import atomic_path
from runtime.card import InputCard, ModelCard
from runtime.describe import preparation
from runtime.errors import CardError, CheckFailed, ModelFileError, SpecError
from runtime.session import Session

__all__ = ["check", "export"]

BATCH_SIZES = (1, 2, 5)

P = ParamSpec("P")
T = TypeVar("T")


def _modes_kept(function: Callable[P, T]) -> Callable[P, T]:
    """Put the modules among the arguments back into the mode (training or evaluation) that they came in."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.nn.Module)]
        modes = [(module, module.training) for value in given for module in value.modules()]
        try:
            return function(*args, **kwargs)
        finally:
            for module, training in modes:
                module.training = training

    return wrapper


@_modes_kept
def export(
    source: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    example: Any = None,
    outputs: Sequence[str] | None = None,
    task: str | None = None,
    labels: Sequence[str] = (),
    inputs: Sequence[InputCard] | None = None,
    dynamic_batch: bool = True,
    simplify: bool = True,
    opset_version: int | None = None,
    ir_version: int | None = None,
    absolute: float = ABSOLUTE,
    relative: float = RELATIVE,
    on_stage: Callable[[str], None] | None = None,
) -> Report:
    """Export to one verified ONNX file.

    Args:
        source: a checkpoint's path, a `Checkpoint`, or any torch module; it is exported in evaluation mode and left
            in the mode that it came in.
        output: the file to write; None puts it beside the checkpoint.
        example: for a module: one batch of input, or a tuple of them. At least two rows say more than one.
        outputs: names of the outputs; None gives probabilities and embedding for classifiers, values for regressions.
        task: for a module: "classification", "regression" or None for arrays in, arrays out.
        labels: for a module: class names.
        inputs: for a module: how each input is prepared; None takes arrays as they are.
        dynamic_batch: any batch size; False fixes that of the example.
        simplify: run onnxsim, in a child process.
        opset_version, ir_version: versions to ask for; the report notes where the file has others.
        absolute, relative: a difference from torch passes up to absolute + relative * (greatest magnitude of the output).
        on_stage: called with each stage's name as it begins.

    Returns:
        The report of an export that passed; the file is at `report.path`.

    Raises:
        CheckFailed: tracing failed, or the file differs from torch. A file that was at `output` before is left as it was.
        CheckpointError, InputError, SpecError: what was given cannot be exported.
    """
    target = default_target(source) if output is None else Path(output)
    if isinstance(source, str | os.PathLike) and target.resolve() == Path(source).resolve():
        raise SpecError(f"{target} is the checkpoint itself; the export would take its place. Name another file.")
    subject = make_subject(source, example=example, outputs=outputs, task=task, labels=labels, inputs=inputs)
    sizes = BATCH_SIZES if dynamic_batch else (len(subject.samples[0]),)
    say = on_stage or (lambda _name: None)
    with _refusal(target), atomic_path(target) as path:
        stages = []

        def measure(name: str, started: float, note: str = "") -> Parity:
            try:
                parity = compare(subject, path, sizes, absolute=absolute, relative=relative)
            except CardError as error:
                raise CheckFailed(f"The card cannot be read back after the stage {name!r}. {error}") from error
            except ModelFileError as error:
                reason = " ".join(str(error.__cause__ or error).split()).replace(str(path), target.name)
                raise CheckFailed(f"onnxruntime cannot run the file after the stage {name!r}: {reason}.") from error
            nodes, size = len(onnx.load(path).graph.node), path.stat().st_size
            stages.append(Stage(name, nodes, size, parity.worst_difference, time.perf_counter() - started, note))
            return parity

        say("trace")
        started = time.perf_counter()
        trace(subject, path, dynamic_batch=dynamic_batch, opset_version=opset_version)
        parity = measure("trace", started)
        if simplify:
            say("simplify")
            started = time.perf_counter()
            note = simplify_graph(path, subject, sizes, absolute=absolute, relative=relative)
            parity = measure("simplify", started, note)
        say("stamp")
        started = time.perf_counter()
        card = _final_card(subject, parity)
        stamp(path, card, ir_version=ir_version)
        measure("stamp", started, "card inside")
        say("verify")
        started = time.perf_counter()
        note = _check_card(path, card)
        parity = measure("verify", started, note)
        model = onnx.load(path, load_external_data=False)
        opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        notes = []
        if opset_version is not None and opset != opset_version:
            notes.append(f"opset {opset_version} was asked for; the exporter writes {opset}")
        if ir_version is not None and model.ir_version != ir_version:
            notes.append(
                f"IR version {ir_version} was asked for; opset {opset} needs a newer one, so it is {model.ir_version}"
            )
        return Report(target, tuple(stages), parity, card, opset, model.ir_version, tuple(notes))


@_modes_kept
def check(
    model: str | os.PathLike[str],
    source: Source,
    *,
    example: Any = None,
    absolute: float = ABSOLUTE,
    relative: float = RELATIVE,
) -> Parity:
    """Repeat the verification of an existing file against its checkpoint (or module with example inputs).

    Raises:
        CheckFailed: outputs differ, or the file's card says otherwise than the checkpoint's.
        ModelFileError, CheckpointError: one of the two cannot be opened.
    """
    path = Path(model)
    session = Session(path, "cpu")
    card = session.card
    if card is None:
        raise CardError(
            f"{path} has no card, so it was not exported by this toolkit. Export it again from its checkpoint."
        )
    names = [tensor.name for tensor in session.outputs]
    if isinstance(source, str | os.PathLike) or not hasattr(source, "forward"):
        try:
            subject = make_subject(source, outputs=names)
        except SpecError as error:
            raise CheckFailed(
                f"{path} has the outputs {', '.join(names)}; the checkpoint has others. {error}"
            ) from error
    else:
        task = None if card.task == "raw" else card.task
        subject = make_subject(
            source, example=example, outputs=names, task=task, labels=card.labels, inputs=card.inputs
        )
    for what in ("task", "inputs", "outputs", "labels"):
        if getattr(card, what) != getattr(subject.card, what):
            raise CheckFailed(
                f"The card in {path} has other {what} than the checkpoint: {_shown(card, what)} against "
                f"{_shown(subject.card, what)}. Name the checkpoint that it was made from, or export it again."
            )
    fixed = session.fixed_batch
    return compare(subject, path, (fixed,) if fixed else BATCH_SIZES, absolute=absolute, relative=relative)


@contextlib.contextmanager
def _refusal(target: Path) -> Iterator[None]:
    """Say with every failed check that nothing was written."""
    try:
        yield
    except CheckFailed as error:
        before = "; the file that was there before is unchanged" if target.exists() else ""
        raise CheckFailed(f"The export was refused: {error} Nothing was written to {target}{before}.") from error


def _shown(card: ModelCard, what: str) -> str:
    """One field of a card in words."""
    value = getattr(card, what)
    if what == "inputs":
        return "; ".join(f"{entry.name} ({preparation(entry)})" for entry in value)
    if what == "outputs":
        return ", ".join(f"{entry.name} ({entry.role})" for entry in value)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _final_card(subject: Subject, parity: Parity) -> ModelCard:
    return replace(subject.card, parity=parity.to_dict())


def _check_card(path: Path, card: ModelCard) -> str:
    """Open the file as the field does and read the card back."""
    found = Session(path, "cpu").card
    if found != ModelCard.from_json(card.to_json()):
        raise CheckFailed("The card that was read back from the file is not the one that was written.")
    return "torch against the file, as it will run"
