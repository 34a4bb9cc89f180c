"""Models under comparison: an ONNX file or a torch network, both run on arrays."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np
import torch

from exporters.comparing.file_steps import file_steps
from exporters.comparing.steps import Steps
from exporters.comparing.torch_steps import torch_steps
from exporters.settings import ExportSettings
from exporters.sources import Source
from exporters.sources.file_kinds import kind_of
from exporters.sources.pickled import module_within, read_torch_file
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from runtime.card import STEP_ROLES, InputCard, ModelCard
from runtime.errors import CheckFailed, SpecError
from runtime.results import find_decoder
from runtime.session import Session, Tensor

__all__ = [
    "OF_STEPS_BEHIND",
    "ComparedFile",
    "ComparedModel",
    "ComparedNetwork",
    "is_model_file",
    "open_file",
    "open_network",
]

Arrays = Mapping[str, np.ndarray]

# What steps behind the network give; a network by itself has no such outputs.
OF_STEPS_BEHIND = STEP_ROLES


class ComparedModel(Protocol):
    """Interface of a model under comparison: NumPy arrays in, NumPy arrays out."""

    @property
    def name(self) -> str:
        """Name of the model in messages."""

    @property
    def card(self) -> ModelCard | None:
        """Model card; None without one."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Inputs: names, dtypes and shapes, with a text for an axis of any length."""

    @property
    def outputs(self) -> list[str]:
        """Output names."""

    def run(self, feeds: Arrays, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Run on arrays (input name -> array); returns output name -> array."""

    def steps(self, feeds: Arrays) -> Steps:
        """Run as `run`, recording every intermediate tensor."""


class ComparedFile:
    """An ONNX file under comparison.

    Raises:
        ModelFileError, CardError: as `Session`.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.session = Session(path, "cpu")
        self.card = self.session.card
        self.inputs = self.session.inputs
        self.outputs = [tensor.name for tensor in self.session.outputs]

    def run(self, feeds: Arrays, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Raises ModelFileError, InputError."""
        return self.session.run(feeds, outputs)

    def steps(self, feeds: Arrays) -> Steps:
        """Raises ModelFileError."""
        return file_steps(self.session.path, feeds)


class ComparedNetwork:
    """A torch network under comparison, with its samples."""

    def __init__(self, name: str, subject: Subject) -> None:
        self.name = name
        self.subject = subject
        self.card: ModelCard | None = subject.card
        self.outputs = subject.output_names
        self.inputs = tuple(
            Tensor(
                name,
                str(sample.dtype).removeprefix("torch."),
                tuple(axes.get(axis, length) for axis, length in enumerate(sample.shape)),
            )
            for name, sample, axes in zip(subject.input_names, subject.samples, subject.axes, strict=True)
        )

    def run(self, feeds: Arrays, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Raises CheckFailed where torch itself fails on these inputs."""
        try:
            with torch.no_grad():
                results = self.subject.module(*self._tensors(feeds))
        except Exception as error:
            raise CheckFailed(f"{self.name} does not run on what is compared: {_first_line(error)}.") from error
        found = dict(zip(self.outputs, results, strict=True))
        return {name: found[name].detach().cpu().numpy() for name in outputs}

    @property
    def answers(self) -> bool:
        """Whether its outputs are the answer after a loss rather than what the network itself gives."""
        return self.subject.module.answer is not None

    def plain(self) -> ComparedNetwork:
        """The same network with its plain outputs under the same names."""
        module = copy.copy(self.subject.module)
        module.answer = None
        return ComparedNetwork(self.name, replace(self.subject, module=module))

    def steps(self, feeds: Arrays) -> Steps:
        """As `run`."""
        return torch_steps(self.subject, self._tensors(feeds))

    def _tensors(self, feeds: Arrays) -> tuple[torch.Tensor, ...]:
        # a copy: a network may write into its input
        return tuple(torch.from_numpy(feeds[name].copy()) for name in self.subject.input_names)


def is_model_file(source: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Test for an ONNX file, as opposed to anything that torch runs. Raises CheckpointError where there is no file."""
    if not isinstance(source, str | os.PathLike) or _is_architecture(source):
        return False
    return kind_of(Path(source)) == "onnx"


def open_file(source: str | os.PathLike[str]) -> ComparedFile:
    """Open an ONNX file. Raises ModelFileError, CardError."""
    return ComparedFile(Path(source))


def open_network(
    source: Source, example: Any, settings: ExportSettings, other: ModelCard | None, name: str | None = None
) -> ComparedNetwork:
    """Open any exportable source as a torch network; `other`, the other model's card, supplies what the source does not say.

    Raises:
        CheckFailed: the network lacks the file's outputs.
        The errors of `make_subject`.
    """
    label = name or _name(source)
    asked = settings if other is None else _as_the_file_says(source, settings, other)
    try:
        return ComparedNetwork(label, make_subject(source, example=example, settings=asked))
    except SpecError as error:
        if other is None or settings.outputs is not None or asked.outputs is None:
            raise
        make_subject(source, example=example, settings=replace(asked, outputs=None))  # raises what is wrong besides
        raise CheckFailed(
            f"The file has the outputs {', '.join(asked.outputs)}; {label} has others. {error} Name those to compare, such as "
            f"--outputs {asked.outputs[0]}."
        ) from error


def _as_the_file_says(source: Source, settings: ExportSettings, card: ModelCard) -> ExportSettings:
    """Settings completed from the file's card: outputs, and for a network that has no card also task, labels, inputs."""
    names = tuple(entry.name for entry in card.outputs if entry.role not in OF_STEPS_BEHIND) or None
    asked = replace(settings, outputs=settings.outputs or names)
    if not _is_plain(source, settings):
        return asked
    asked = replace(
        asked,
        task=settings.task or (card.task if find_decoder(card.task).typed else None),
        labels=settings.labels or card.labels,
    )
    inputs = tuple(entry.prepared_outside() for entry in card.inputs)
    if settings.input_size is not None and not _is_size_of(inputs, settings.input_size):
        return asked
    return replace(asked, inputs=settings.inputs or inputs, input_size=None)


def _is_plain(source: Source, settings: ExportSettings) -> bool:
    """Test for a network that tells no task, labels or preparation: all but checkpoints of the toolkit."""
    if isinstance(source, str | os.PathLike):
        return (
            settings.arch is not None
            or _is_architecture(source)
            or kind_of(Path(source)) in ("program", "torchscript", "safetensors")
            or (settings.trust and module_within(read_torch_file(Path(source), trust=True)) is not None)
        )
    return isinstance(source, torch.nn.Module | torch.export.ExportedProgram)


def _is_size_of(inputs: Sequence[InputCard], size: tuple[int, ...]) -> bool:
    """Test that `size` is the shape of the only input, its height and width, or one number for both."""
    shape = inputs[0].shape if len(inputs) == 1 else ()
    return size in (shape, shape[1:]) or (len(size) == 1 and set(size) == set(shape[1:]))


def _is_architecture(source: str | os.PathLike[str]) -> bool:
    """Test for an architecture name (torchvision:resnet18, timm:NAME, models.py:Net) rather than a file."""
    return ":" in os.fspath(source) and not Path(source).exists()


def _name(source: Any) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return "the checkpoint" if not isinstance(source, torch.nn.Module) else type(source).__name__


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
