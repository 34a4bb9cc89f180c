"""Opening of a source of any kind: the network, its inputs and metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from exporters.inputs import kind_of as input_kind_of
from exporters.settings import ExportSettings
from exporters.sources.architectures import Architecture, build_architecture, is_architecture
from exporters.sources.exported_program import open_program, program_source
from exporters.sources.file_kinds import kind_of
from exporters.sources.loaded_model import LoadedModel
from exporters.sources.pickled import module_within, read_torch_file
from exporters.sources.published import at_size
from exporters.sources.random_inputs import ROWS, input_shape, random_rows
from exporters.sources.torchscript import NO_LAYERS, TorchScriptNetwork, open_torchscript
from exporters.sources.weights import find_weights, fit_weights
from runtime.card import ArrayInput, InputCard, image_inputs
from runtime.errors import CheckpointError, InputError, SpecError
from runtime.preprocess.inputs import parse_inputs, prepare_items
from toolkit.training.checkpoints.checkpoint import FORMAT, Checkpoint
from toolkit.training.losses import find_answer
from toolkit.training.pretrained.load_weights import read_safetensors

__all__ = ["Source", "open_source"]

Source: TypeAlias = "str | os.PathLike[str] | Checkpoint | torch.nn.Module | torch.export.ExportedProgram"


def open_source(source: Source, example: Any, settings: ExportSettings) -> LoadedModel:
    """Detect the kind of a source, and open it.

    Args:
        source: a file of any kind (see `kind_of`), the name of an architecture, a checkpoint, a program or a module.
        example: arguments for the network; None takes the source's own, or random ones of the size that is known.
        settings: arch, arch_args, random_weights, trust, input_size, inputs, calibration.

    Raises:
        CheckpointError: the file cannot be read, is damaged, or holds what must not be opened.
        InputError: the inputs cannot be determined.
        SpecError: the architecture is unknown, is missing, or is given for a source that brings its own.
    """
    opened = _open(source, settings)
    if example is not None:
        return replace(opened, example=example, real=True)
    if opened.example is None:
        own = getattr(opened.module, "example_input_array", None)  # where PyTorch Lightning keeps one
        if own is not None and not settings.inputs and settings.input_size is None:
            return replace(opened, example=own)
        return _with_inputs(source, opened, settings)
    _check_own_size(opened.example, settings.input_size)
    return opened


def _check_own_size(example: Any, size: tuple[int, ...] | None) -> None:
    """Raise SpecError where `input_size` differs from the size of the source's own samples."""
    if size is None or not isinstance(example, tuple) or len(example) != 1 or not isinstance(example[0], torch.Tensor):
        return
    shape = tuple(example[0].shape[1:])
    if size not in (shape, shape[1:]) and (len(size) != 1 or set(size) != set(shape[1:])):
        raise SpecError(
            f"The input size {','.join(map(str, size))} was given, but the source brings samples of "
            f"{','.join(map(str, shape))}. Leave --input-size (input_size in Python) out."
        )


def _open(source: Source, settings: ExportSettings) -> LoadedModel:
    if not isinstance(source, str | os.PathLike):
        if settings.arch is not None:
            raise SpecError(
                f"The architecture {settings.arch!r} was given beside a network that is made already. Leave it out."
            )
        return _object(source)
    text = os.fspath(source)
    path = Path(text)
    if not path.exists() and (is_architecture(text) or re.fullmatch(r"\w{2,}:[\w.-]+", text)):
        return _fresh(text, settings)
    kind = kind_of(path)
    if kind == "onnx":
        raise CheckpointError(
            f"{path} is an ONNX file, so it is exported already. Look at it with: toolkit info {path}; verify it with: toolkit check "
            f"{path} --target NAME."
        )
    if kind == "unknown":
        raise CheckpointError(
            f"{path} is cut short or is no file that can be exported: a checkpoint, weights (.pth, .safetensors), an exported program "
            f"(.pt2) or TorchScript is expected. Fetch or save it again."
        )
    if kind in ("program", "torchscript"):
        _needs_no_arch(path, settings, "holds its own network")
        return open_program(path, trust=settings.trust) if kind == "program" else open_torchscript(path)
    if kind == "safetensors":
        return _with_weights(path, read_safetensors(path), settings)
    return _torch_file(path, settings)


def _object(source: Any) -> LoadedModel:
    if isinstance(source, Checkpoint):
        return _ours(source)
    if isinstance(source, torch.export.ExportedProgram):
        return program_source(source, "The program")
    if not isinstance(source, torch.nn.Module):
        raise InputError(
            f"A {type(source).__name__} was given; a file, a checkpoint, an exported program or a torch module is expected."
        )
    module, notes = _unwrapped(source)
    if isinstance(module, torch.jit.ScriptModule):
        return LoadedModel(TorchScriptNetwork(module), notes=(*notes, NO_LAYERS))
    return LoadedModel(module, notes=notes)


def _unwrapped(module: torch.nn.Module) -> tuple[torch.nn.Module, tuple[str, ...]]:
    """Unwrap a network from parallel, compiled and weight-averaging wrappers: (network, notes)."""
    notes: list[str] = []
    while True:
        inner: Any = None
        if isinstance(module, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
            inner = module.module
        elif hasattr(module, "_orig_mod") and isinstance(module._orig_mod, torch.nn.Module):  # torch.compile
            inner = module._orig_mod
        elif isinstance(module, torch.optim.swa_utils.AveragedModel):
            inner = module.module
        if inner is None:
            return module, tuple(notes)
        notes.append(f"the network within {type(module).__name__} was taken")
        module = inner


def _ours(checkpoint: Checkpoint) -> LoadedModel:
    card = checkpoint.card
    samples = checkpoint.samples if isinstance(checkpoint.samples, tuple) else (checkpoint.samples,)
    if checkpoint.spec.padding is not None:
        samples = (torch.from_numpy(input_kind_of(card.inputs[0]).with_padding(samples[0].numpy(), card.inputs[0])),)
    return LoadedModel(
        checkpoint.network(),
        samples,
        task=card.task,
        labels=card.labels,
        inputs=tuple(entry.skipped_padding() for entry in card.inputs)
        if checkpoint.spec.skips_padding
        else card.inputs,
        training=card.training,
        recorded=checkpoint.training,
        producer=card.producer,
        answer=find_answer(card.task, card.training.get("loss")),
    )


def _torch_file(path: Path, settings: ExportSettings) -> LoadedModel:
    content = read_torch_file(path, trust=settings.trust)
    if isinstance(content, Mapping) and content.get("format") == FORMAT:
        _needs_no_arch(path, settings, "is a checkpoint of the toolkit, which describes its own network")
        return _ours(Checkpoint.load(path))
    module = module_within(content)
    if module is not None:
        _needs_no_arch(path, settings, "holds a whole module")
        inner, notes = _unwrapped(module)
        # trained and stored in half precision, as some programs do, it runs on a CPU in single precision
        return LoadedModel(inner.float(), notes=(*notes, f"{type(inner).__name__} was unpickled from {path.name}"))
    return _with_weights(path, content, settings)


def _needs_no_arch(path: Path, settings: ExportSettings, why: str) -> None:
    if settings.arch is not None:
        raise SpecError(f"The architecture {settings.arch!r} was given, but {path} {why}. Leave --arch out.")
    if settings.random_weights:
        raise SpecError(f"Random weights were asked for, but {path} {why}. Leave --random-weights out.")


def _fresh(text: str, settings: ExportSettings) -> LoadedModel:
    """Build an architecture with fresh weights, without a weights file."""
    if settings.arch is not None:
        raise SpecError(f"Two architectures were given, {text!r} and {settings.arch!r}. Name one.")
    if not settings.random_weights:
        if not is_architecture(text):
            build_architecture(text, None)  # says what is expected
        raise SpecError(
            f"{text} is an architecture, and no weights were given. Name their file: toolkit export weights.pth --arch {text}; or, "
            f"for a test or a measurement, take fresh ones with --random-weights (random_weights=True in Python)."
        )
    arch = build_architecture(text, settings.arch_args, random=True)
    return _opened(arch, (f"the weights of {text} are random ones",), settings, random=True)


def _with_weights(path: Path, content: Any, settings: ExportSettings) -> LoadedModel:
    """Build the architecture of weights in a file's content, and load them."""
    if settings.random_weights:
        raise SpecError(
            f"Random weights were asked for, but {path} holds weights. Name the architecture alone: toolkit export "
            f"{settings.arch or 'torchvision:resnet18'} --random-weights."
        )
    weights = next(iter(find_weights(content, str(path)))).tensors
    if settings.arch is None:
        some = ", ".join(list(weights)[:3])
        raise CheckpointError(
            f"{path} holds {len(weights)} weights ({some}, ...) without the network they belong to. Name it with --arch (arch in "
            f"Python): torchvision:resnet50, timm:NAME or my_models.py:Net, and what it is made with by --arch-args."
        )
    if not is_architecture(settings.arch):
        build_architecture(settings.arch, None)  # says what is expected
    arch = build_architecture(settings.arch, settings.arch_args, weights_file=path.name)
    notes = fit_weights(arch.module, content, str(path), settings.arch)
    return _opened(arch, notes, settings, random=False)


def _opened(arch: Architecture, notes: tuple[str, ...], settings: ExportSettings, *, random: bool) -> LoadedModel:
    """Loaded model of an architecture, with its published pre-processing where it applies."""
    module, unwrapped = _unwrapped(arch.module)
    published = arch.published
    if published is None:
        return LoadedModel(module, notes=(*notes, *unwrapped))
    takes = settings.preprocess == "published" or (settings.preprocess == "auto" and published.same_classes)
    card = published.input if takes else None
    if settings.preprocess == "published" and card is None:
        raise SpecError(
            f"The published preparation of pictures was asked for, and {arch.text} has none that a card can say. Describe the input "
            f"in a --card (inputs in Python)."
        )
    labels = published.labels if published.same_classes and not random and settings.preprocess != "none" else ()
    if card is not None:
        notes = (*notes, f"pictures are prepared as for {published.weights}; --preprocess none leaves that out")
    elif published.input is not None and settings.preprocess == "auto" and not settings.inputs:
        notes = (
            *notes,
            "how pictures are prepared is not known; --preprocess published takes that of the published weights",
        )
    if card is not None:
        shape, _ = input_shape(module, settings.input_size, published.shape)
        if shape[0] != card.channels:
            raise InputError(
                f"The input size {','.join(map(str, shape))} was given; {arch.text} takes pictures of {card.channels} channels. Give "
                f"their height and width, or leave the published preparation out with --preprocess none."
            )
        card = at_size(card, (shape[1], shape[2]))
    return LoadedModel(
        module,
        task=published.task,
        labels=labels,
        inputs=None if card is None else (card,),
        shape=published.shape,
        notes=(*notes, *unwrapped),
        real=False,
    )


def _with_inputs(source: Source, opened: LoadedModel, settings: ExportSettings) -> LoadedModel:
    """Add an example to a network without one: real inputs where given, else random ones."""
    rows = settings.batch_size or ROWS
    cards = settings.inputs if settings.inputs is not None else opened.inputs
    module = opened.module
    if isinstance(source, torch.nn.Module) and cards is None and settings.input_size is None:
        raise InputError(
            f"The module {type(module).__name__} was given without an example of its input. Give one batch: "
            f"export(module, 'model.onnx', example=torch.randn(2, 1, 28, 28))."
        )
    if cards is None:
        shape, dtype = input_shape(module, settings.input_size, opened.shape)
        cards = (ArrayInput("input", shape, dtype),)
    elif settings.input_size is not None and image_inputs(cards[:1]) and settings.inputs is not None:
        raise SpecError("Both --card and --input-size say how large the input is. Give one of them.")
    real = _real_rows(cards, settings, rows)
    if real is not None:
        return replace(opened, example=(real,), inputs=cards, real=True)
    note = "verified on random inputs, because no real ones were given"
    return replace(
        opened, example=random_rows(module, cards, rows), inputs=cards, notes=(*opened.notes, note), real=False
    )


def _real_rows(cards: tuple[InputCard, ...], settings: ExportSettings, rows: int) -> torch.Tensor | None:
    """First few calibration inputs, prepared as the card says."""
    if settings.calibration is None or len(cards) != 1 or not cards[0].has_preparation:
        return None
    items, _ = parse_inputs(settings.calibration, cards[0])
    count = max(rows, ROWS)
    step = max(1, len(items) // count)
    chosen = items[::step][:count]
    if not len(chosen):
        raise InputError(f"{settings.calibration} holds no input. Name a folder or file with some.")
    prepared = chosen if isinstance(chosen, np.ndarray) else prepare_items(chosen, cards[0])
    return torch.from_numpy(prepared)
