"""What is exported: a torch module in evaluation mode, real inputs for it, and what its card will say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from exporters.outputs import NamedOutputs, flat_outputs, last_linear, returns_probabilities
from runtime.card import ArrayInput, InputCard, ModelCard, OutputCard
from runtime.errors import InputError, SpecError, suggest
from runtime.predict import class_axis
from toolkit.builder.network import Ending, Network
from toolkit.training.checkpoint import Checkpoint

__all__ = ["Source", "Subject", "make_subject"]

Source: TypeAlias = "str | os.PathLike[str] | Checkpoint | torch.nn.Module"

# By task: the outputs that can be asked for, those of every export first.
_OUTPUTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "classification": (("probabilities",), ("logits", "embedding")),
    "multilabel": (("probabilities",), ("logits", "embedding")),
    "regression": (("values",), ("embedding",)),
    "dense": (("probabilities",), ("logits",)),
    "embedding": (("embedding",), ()),
}


@dataclass(frozen=True)
class Subject:
    """A network ready to be traced.

    Attributes:
        module: inputs -> a tuple of the outputs named in `card.outputs`, in evaluation mode.
        samples: one tensor an input, real or given rows, (n, ...).
        card: everything but the parity figures.
    """

    module: NamedOutputs
    samples: tuple[torch.Tensor, ...]
    card: ModelCard

    @property
    def input_names(self) -> list[str]:
        """The inputs in order."""
        return [entry.name for entry in self.card.inputs]

    @property
    def output_names(self) -> list[str]:
        """The outputs in order."""
        return [entry.name for entry in self.card.outputs]


def make_subject(
    source: Source,
    *,
    example: Any = None,
    outputs: Sequence[str] | None = None,
    task: str | None = None,
    labels: Sequence[str] = (),
    inputs: Sequence[InputCard] | None = None,
) -> Subject:
    """A checkpoint (file or object) or any module with example inputs -> a subject.

    Raises:
        CheckpointError: the file cannot be read.
        InputError: a module comes without an example, or the example does not fit.
        SpecError: an output is asked for that there is not.
    """
    if isinstance(source, torch.nn.Module):
        return _from_module(source, example, outputs, task, labels, inputs)
    checkpoint = source if isinstance(source, Checkpoint) else Checkpoint.load(source)
    card = checkpoint.card
    network = checkpoint.network().eval()
    samples = (checkpoint.samples,)
    named = _named(network, samples, card.task, outputs)
    full = ModelCard(card.task, card.inputs, named.cards, card.labels, card.training, {}, card.producer)
    return Subject(named, samples, full)


def _from_module(
    module: torch.nn.Module,
    example: Any,
    outputs: Sequence[str] | None,
    task: str | None,
    labels: Sequence[str],
    inputs: Sequence[InputCard] | None,
) -> Subject:
    if example is None:
        raise InputError(
            f"The module {type(module).__name__} was given without an example of its input. Give one batch: "
            f"export(module, 'model.onnx', example=torch.randn(2, 1, 28, 28))."
        )
    samples = _tensors(example)
    cards = tuple(inputs) if inputs is not None else tuple(_array_card(index, t) for index, t in enumerate(samples))
    if len(cards) != len(samples):
        raise InputError(
            f"{len(samples)} example inputs were given, but {len(cards)} are described. Describe each one."
        )
    named = _named(module, samples, task or "raw", outputs)
    if labels and task is not None:
        result = _evaluate(module, samples)
        width = result.shape[class_axis(result.ndim)]
        if len(labels) != width:
            raise SpecError(f"{len(labels)} labels were given; {type(module).__name__} returns {width} numbers a row.")
    from toolkit.training.run import producer

    card = ModelCard(task or "raw", cards, named.cards, tuple(map(str, labels)), producer=producer())
    return Subject(named, samples, card)


def _named(
    module: torch.nn.Module, samples: tuple[torch.Tensor, ...], task: str, outputs: Sequence[str] | None
) -> NamedOutputs:
    """Wrap a module so that it returns the outputs asked for, or those of its task."""
    try:
        head = last_linear(module, samples)
        result = _evaluate(module, samples)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        shapes = ", ".join(str(tuple(sample.shape)) for sample in samples)
        raise InputError(
            f"{type(module).__name__} failed on its example of shape {shapes}: {reason}. Give an example that it takes."
        ) from error
    if task == "raw":
        names = tuple(outputs or _raw_names(result))
        cards = tuple(OutputCard(name, "raw") for name in names)
        if len(names) != len(flat_outputs(result)):
            raise SpecError(
                f"{len(names)} output names were given; the module returns {len(flat_outputs(result))} tensors. Name each one."
            )
        return NamedOutputs(module, cards, None, None)
    if task not in _OUTPUTS:
        raise SpecError(f"The task {task!r} was given.{suggest(task, (*_OUTPUTS, 'raw'))}")
    axes, expected = ((3, 4), "(N, L, K) or (N, K, H, W)") if task == "dense" else ((2,), "(N, K)")
    if not isinstance(result, torch.Tensor) or result.ndim not in axes:
        raise SpecError(
            f"For {task} one output of shape {expected} is expected; the module returns {_describe(result)}."
        )
    default, further = _OUTPUTS[task]
    if "probabilities" in default and "embedding" in further and head is not None:
        default = (*default, "embedding")
    names = tuple(outputs) if outputs else default
    for name in names:
        if name not in (*default, *further):
            raise SpecError(f"There is no output {name!r} for {task}.{suggest(name, {*default, *further})}")
    if task == "embedding":
        return NamedOutputs(module, (OutputCard("embedding", "embedding"),), None, None, task)
    if "embedding" in names and head is None:
        raise SpecError(
            "An embedding was asked for (the input of the last linear layer), but the network has no linear layer."
        )
    ending: Ending | None = module.ends_in if isinstance(module, Network) else None
    if ending is None and task != "regression":
        ending = returns_probabilities(module, samples, task)
        if "logits" in names and ending is not None:
            raise SpecError(
                f"Logits were asked for, but the module returns probabilities. Ask for probabilities, or export it without its "
                f"{ending}."
            )
    return NamedOutputs(module, tuple(OutputCard(name, name) for name in names), head, ending, task)


def _evaluate(module: torch.nn.Module, samples: tuple[torch.Tensor, ...]) -> Any:
    with torch.no_grad():
        return module.eval()(*samples)


def _tensors(example: Any) -> tuple[torch.Tensor, ...]:
    parts = example if isinstance(example, list | tuple) else (example,)
    if not parts or not all(isinstance(part, torch.Tensor) and part.ndim >= 1 and len(part) >= 1 for part in parts):
        raise InputError(
            f"The example is {_describe(example)}; a tensor or a tuple of tensors with a batch axis is expected."
        )
    if len({len(part) for part in parts}) != 1:
        raise InputError(f"The example inputs have different batch sizes: {[len(part) for part in parts]}.")
    return tuple(parts)


def _array_card(index: int, tensor: torch.Tensor) -> ArrayInput:
    name = "input" if index == 0 else f"input{index + 1}"
    return ArrayInput(name, tuple(tensor.shape[1:]), str(tensor.dtype).removeprefix("torch."))


def _raw_names(result: Any) -> list[str]:
    if isinstance(result, Mapping) and len(flat_outputs(result)) == len(result):
        return [str(name) for name in result]
    count = len(flat_outputs(result))
    return ["output"] if count == 1 else [f"output{number}" for number in range(1, count + 1)]


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def default_target(source: Source) -> Path:
    """`model.pth` -> `model.onnx`. Raises SpecError when there is no file to take the name from."""
    if isinstance(source, str | os.PathLike):
        return Path(source).with_suffix(".onnx")
    raise SpecError("No output file was given. Name one, such as export(model, 'model.onnx', ...).")
