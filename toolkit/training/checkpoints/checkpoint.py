"""The checkpoint file: plain containers and tensors only, always read with weights_only=True."""

from __future__ import annotations

import os
import pickle
import random
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.atomic import atomic_path
from runtime.card import ModelCard
from runtime.errors import CheckpointError
from runtime.regular_file import require_file
from toolkit.builder.network import Network
from toolkit.builder.spec import NetworkSpec, build

__all__ = ["FORMAT", "VERSION", "Checkpoint", "random_state", "restore_random_state"]

FORMAT = "onnx-edge-toolkit checkpoint"
VERSION = 2
"""2: layers with activations and initialisations that have arguments, modules of one's own, inputs of tokens, and trainings
that are continued within an epoch. Files of version 1 are read as they are; their trainings cannot be continued."""


@dataclass(frozen=True)
class Checkpoint:
    """Checkpoint of a network: everything needed to run, export or resume it.

    Attributes:
        spec: the network's description.
        state_dict: its weights.
        card: pre-processing, labels, training summary.
        samples: a few real prepared inputs, float32 or (tokens) int64 (n, ...), for verification and calibration; a tuple
            where the network takes several inputs.
        training: the training state (`toolkit.training.loop.state`), data, split; empty after a mere `save`.
    """

    spec: NetworkSpec
    state_dict: Mapping[str, torch.Tensor]
    card: ModelCard
    samples: torch.Tensor | tuple[torch.Tensor, ...]
    training: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file through a temporary one in the same folder."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "spec": self.spec.to_dict(),
            "state_dict": dict(self.state_dict),
            "card": self.card.to_dict(),
            "samples": list(self.samples) if isinstance(self.samples, tuple) else self.samples,
            "training": dict(self.training),
        }
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            try:
                torch.save(content, file)
            except RuntimeError as error:
                if isinstance(error.__context__, OSError):  # torch says "unexpected pos" of a full disk
                    raise error.__context__ from None
                raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read a file back, on the CPU. Nothing in it is executed.

        Raises:
            CheckpointError: the file is missing, cut short, holds pickled objects, or is not one of ours.
            SpecError: its network has an unknown layer, such as a user's own module that was not given.
        """
        content = read_plain(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointError(f"{path} {_what_it_is(content)}")
        if not isinstance(content.get("version"), int) or not 1 <= content["version"] <= VERSION:
            raise CheckpointError(
                f"{path} has the checkpoint version {content.get('version')!r}; this toolkit reads versions up to {VERSION}. "
                f"Update onnx-edge-toolkit."
            )
        missing = {"spec", "state_dict", "card", "samples", "training"} - set(content)
        if missing:
            raise CheckpointError(
                f"{path} lacks {', '.join(sorted(missing))}; it was damaged or changed by hand. Save it again."
            )
        kinds: dict[str, type | tuple[type, ...]] = {
            "spec": dict,
            "state_dict": dict,
            "samples": (torch.Tensor, list) if _are_tensors(content["samples"]) else torch.Tensor,
            "training": dict,
        }
        for name, kind in kinds.items():
            if not isinstance(content[name], kind):
                raise CheckpointError(
                    f"{path} has a {type(content[name]).__name__} for {name}; it was damaged or changed by hand. Save it again."
                )
        spec = NetworkSpec.from_dict(content["spec"])
        counts = [content["training"].get(name, 0) for name in ("epoch", "batch")]
        if spec.input_shape is None or not all(type(n) is int for n in counts) or _is_empty(content["samples"]):
            raise CheckpointError(
                f"{path} lacks the shape of the input, samples of it, or the number of epochs; it was damaged or changed by hand. "
                f"Save it again."
            )
        return cls(
            spec,
            content["state_dict"],
            ModelCard.from_dict(content["card"]),
            tuple(content["samples"]) if isinstance(content["samples"], list) else content["samples"],
            content["training"],
        )

    def network(self) -> Network:
        """The network with the checkpoint's weights.

        Raises:
            CheckpointError: the weights do not fit the description.
        """
        with torch.random.fork_rng():
            network = build(self.spec)
        try:
            network.load_state_dict(self.state_dict)
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"The checkpoint's weights do not fit its own description: {reason}") from error
        return network


def _are_tensors(samples: Any) -> bool:
    """True for a tensor, and for a list of at least two tensors, one per input."""
    several = isinstance(samples, list) and len(samples) > 1 and all(isinstance(one, torch.Tensor) for one in samples)
    return isinstance(samples, torch.Tensor) or several


def _is_empty(samples: torch.Tensor | list[torch.Tensor]) -> bool:
    return any(one.numel() == 0 for one in (samples if isinstance(samples, list) else [samples]))


def read_plain(path: str | os.PathLike[str]) -> Any:
    """A .pth file of plain containers and tensors -> its content. Raises CheckpointError as `Checkpoint.load`."""
    if not isinstance(path, str | os.PathLike):
        raise CheckpointError(f"{path!r} was given; the path of a checkpoint is expected, such as 'basenn.pth'.")
    source = require_file(path, CheckpointError)
    if source.suffix.lower() == ".onnx":
        raise CheckpointError(
            f"{source} is named as an ONNX file; a checkpoint (.pth) is expected here. An ONNX file is looked at with: toolkit info {source}"
        )
    if _is_cut(source):
        raise CheckpointError(f"{source} is cut short: its end is missing. {_FETCH}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch has to say of a file that is none, the error says
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported operand" in str(error) or not _looks_pickled(source):
            raise CheckpointError(f"{source} is not a checkpoint: {_short(error)}. {_FETCH}") from error
        raise CheckpointError(
            f"{source} holds pickled Python objects ({_short(error)}), such as a whole torch module. Opening it could run code "
            f"hidden in it, so it was not opened. In the program that made it, save the weights alone: "
            f"torch.save(model.state_dict(), 'weights.pth'), or export from there: exporters.export(model, 'model.onnx', example=x)."
        ) from error
    except Exception as error:  # a cut or random file fails in many ways inside torch.load
        if "TorchScript archive" in str(error):
            raise CheckpointError(
                f"{source} is TorchScript, not a checkpoint. Turn it into an ONNX file with: toolkit export {source} --input-size C,H,W."
            ) from error
        raise CheckpointError(f"{source} is cut short or is not a checkpoint: {_short(error)}. {_FETCH}") from error


_FETCH = "Fetch or save it again."


def _is_cut(path: Path) -> bool:
    """True for a truncated zip archive as torch writes it: the central directory at its end is missing."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04" and not _is_archive(path)


def _is_archive(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # its end claims that the archive spans several disks
        return False


def _looks_pickled(path: Path) -> bool:
    with path.open("rb") as file:
        return _is_archive(path) or file.read(1) == b"\x80"


def _short(error: Exception) -> str:
    """torch's error message, without its advice to disable weights_only."""
    text = " ".join(str(error).split())
    unsupported = re.search(
        r"Unsupported (?:global|operand|class)[:\s]+[\w. ]+?(?= was not| Check| Please| is not|\.|$)", text
    )
    if unsupported:
        return unsupported[0].rstrip(".")
    if isinstance(error, pickle.UnpicklingError):
        return "more than plain tensors and containers"
    for advice in (" In PyTorch 2.6", " This is an internal", ", which ", " Please ", " Check the doc"):
        text = text.split(advice)[0]
    return text[:200].rstrip(".") or type(error).__name__


def _what_it_is(content: Any) -> str:
    if isinstance(content, dict) and content and all(isinstance(value, torch.Tensor) for value in content.values()):
        return (
            f"holds {len(content)} weights without the network they belong to. Name it to `toolkit export` with --arch, such as "
            f"--arch torchvision:resnet50, or build it in Python, load them into it, and export it: exporters.export(model, "
            f"'model.onnx', example=x)."
        )
    return "was not written by this toolkit. Train with `toolkit train` or nn.train(...), or use exporters.export(model, ...)."


def random_state() -> dict[str, Any]:
    """The states of torch's, CUDA's, NumPy's and Python's generators, in plain containers and tensors."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(cached)],
        "python": random.getstate(),
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Restore the generators from what `random_state` returned."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
