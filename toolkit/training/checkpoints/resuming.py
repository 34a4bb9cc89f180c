"""Resume check: refuse a checkpoint whose continuation here would be a different training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from runtime.errors import CheckpointError, ToolkitError
from toolkit.builder.spec import NetworkSpec
from toolkit.data.batching.batches import Batches
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.checkpoints.state_inventory import check_fields
from toolkit.training.settings import Settings

__all__ = [
    "arithmetic_facts",
    "batches_facts",
    "belongs_to",
    "check_resume",
    "data_facts",
    "holds_best_of",
    "resume_notes",
]

# a resumed training may be longer where its schedule does not depend on the length
_ENDLESS = ("constant", "step", "multistep", "exponential", "cosine_restarts", "plateau")


# settings that a checkpoint of an earlier version does not have yet
_DEFAULTS: dict[str, Any] = {"drop_last": False}


def data_facts(train: Batches) -> dict[str, Any]:
    """Plain values that identify a data set: source, number of examples, fingerprint."""
    data = train.data
    return {"source": data.source, "examples": len(data), "fingerprint": data.fingerprint()}


def batches_facts(train: Batches, validation: Batches | None) -> dict[str, Any]:
    """Plain values that identify the batches: examples of each part, shuffling, augmentation and mixing."""
    return {
        "train": torch.from_numpy(train.indices),
        "validation": torch.from_numpy(validation.indices) if validation else None,
        "same_source": validation is None or validation.data is train.data,
        "shuffle": train.shuffle,
        "augment": train.augment.to_setting() if train.augment else None,
        "mix": train.mix.to_setting() if train.mix else None,
    }


def arithmetic_facts(device: torch.device) -> dict[str, Any]:
    """Plain values on which the last digits of a training depend, besides its settings."""
    return {"threads": torch.get_num_threads(), "device": device.type, "torch": str(torch.__version__)}


def resume_notes(state: Mapping[str, Any], settings: Settings, device: torch.device) -> list[str]:
    """What makes the continuation of a checkpoint's training another than it would have been without a stop, a line each."""
    notes, known = [], state.get("arithmetic")
    here = arithmetic_facts(device)
    if isinstance(known, Mapping):
        different = [name for name in here if name in known and known[name] != here[name]]
        if different:
            then, now = (", ".join(f"{name} {value[name]}" for name in different) for value in (known, here))
            remedy = " OMP_NUM_THREADS sets the threads." if "threads" in different else ""
            notes.append(
                f"note: the training ran with {then}, and goes on with {now}: sums are rounded otherwise, and the weights will differ in "
                f"their last digits.{remedy}"
            )
    then = state["settings"]["epochs"]
    if then != settings.epochs and _lowered(settings.to_dict()["schedule"]) not in _ENDLESS:
        notes.append(
            f"note: the schedule {_lowered(settings.to_dict()['schedule'])} was for {then} epochs; from here on it is the one for "
            f"{settings.epochs}."
        )
    return notes


def check_resume(
    checkpoint: Checkpoint,
    spec: NetworkSpec,
    settings: Settings,
    data: Mapping[str, Any],
    batches: Mapping[str, Any],
) -> None:
    """Raise CheckpointError when the checkpoint is of another network, data, split or settings, or of no training.

    Args:
        checkpoint: to continue from.
        spec: of the network here.
        settings: of the training here.
        data: `data_facts` of the data here.
        batches: `batches_facts` of the batches here.
    """
    state = checkpoint.training
    if "optimizer" not in state:
        raise CheckpointError(
            "The checkpoint holds no training to continue, only a network. Train it anew from its weights."
        )
    check_fields(state)
    if checkpoint.spec != spec:
        raise CheckpointError("The checkpoint to resume from holds another network than the one assembled here.")
    try:
        _check_data(state["data"], data)
        _check_settings(state["settings"], settings.to_dict(), finished=state["epoch"] >= state["settings"]["epochs"])
        _check_batches(state["split"], batches)
        if int(state["epoch"]) > settings.epochs:
            raise CheckpointError(
                f"The checkpoint holds {state['epoch']} epochs already; epochs={settings.epochs} was given. Give more."
            )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"The checkpoint's training cannot be continued ({error!r}); it was damaged or changed by hand. Train anew."
        ) from error


def holds_best_of(state: Mapping[str, Any], folder: Path) -> bool:
    """True if best.pth in the folder belongs to the training `state`: their histories agree, including durations."""
    try:
        history = Checkpoint.load(folder / "best.pth").training["history"]
        return int(state["best"]["epoch"]) < len(history) and _agree(history, state["history"])
    except (ToolkitError, KeyError, TypeError, ValueError):
        return False


def belongs_to(path: Path, state: Mapping[str, Any]) -> bool:
    """True if the checkpoint file is of the training `state`, at an earlier or later moment."""
    try:
        return _agree(Checkpoint.load(path).training["history"], state["history"])
    except (ToolkitError, KeyError, TypeError, ValueError):
        return False


def _agree(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """True if two histories are the same as far as both go; best.pth is written first, so it may be ahead of last.pth."""
    common = min(len(one), len(other))
    return list(one[:common]) == list(other[:common])


def _check_data(known: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    if known["fingerprint"] != here["fingerprint"]:
        raise CheckpointError(
            f"The data has changed since the checkpoint was written ({known['source']}: {known['fingerprint'][:12]} then, "
            f"{here['fingerprint'][:12]} now). Resume with the same data, or train anew."
        )


def _check_settings(known: Mapping[str, Any], here: Mapping[str, Any], finished: bool) -> None:
    """A schedule that depends on the training's length is given another one only once the training has all of its epochs."""
    free = {"save_every"} | ({"epochs"} if finished or _lowered(here["schedule"]) in _ENDLESS else set())
    known = {**{name: value for name, value in _DEFAULTS.items() if name not in known}, **known}
    different = [name for name in here if name not in free and _lowered(known[name]) != _lowered(here[name])]
    if different:
        then, now = (", ".join(f"{name}={value[name]!r}" for name in different) for value in (known, here))
        raise CheckpointError(
            f"The checkpoint was trained with {then}; it cannot be resumed with {now}. Give the same settings (the seed with "
            f"set_seed, before the data is loaded), or start from its weights alone with checkpoint=."
        )


def _check_batches(known: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    if known["train"].tolist() != here["train"].tolist():
        raise CheckpointError(
            "The checkpoint was trained on another part of the data. Give the same seed and train_val_ratio, or train anew."
        )
    for name in ("shuffle", "augment", "mix"):
        if known[name] != here[name]:
            raise CheckpointError(
                f"The checkpoint was trained with {name}={known[name]!r}; it cannot be resumed with {name}={here[name]!r}. Load "
                f"the data as it was loaded then, or start from its weights alone with checkpoint=."
            )


def _lowered(value: Any) -> str:
    """A setting as lower-case text, tuples as lists, for a comparison that ignores case and container type."""
    if isinstance(value, Mapping):
        value = {name: _lowered(item) for name, item in sorted(value.items())}
        value = value["name"] if set(value) == {"name"} else value
    return str(list(value) if isinstance(value, tuple) else value).lower()
