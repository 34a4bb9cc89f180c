"""A training with its folder: checkpoints, history and pictures."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from runtime.atomic import atomic_write
from runtime.card import ModelCard
from runtime.errors import CheckpointError
from toolkit.builder.spec import NetworkSpec
from toolkit.data.batches import Batches
from toolkit.explain.plots import confusion_matrix, confusion_png, curves_png
from toolkit.training.checkpoint import Checkpoint
from toolkit.training.loop import Training, evaluate, fit
from toolkit.training.progress import training_progress
from toolkit.training.settings import Settings

__all__ = ["Run", "epoch_line", "producer"]

_SAMPLES = 16


@dataclass
class Run:
    """What is trained, on what, and where the files go.

    `execute` writes into `folder`: last.pth after every epoch, best.pth whenever the validation improves, history.json,
    curves.png and, for classifiers, confusion.png.
    """

    spec: NetworkSpec
    network: torch.nn.Module
    train: Batches
    validation: Batches | None
    test: Batches | None
    settings: Settings
    folder: Path
    report: Callable[[str], None] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def execute(self, resume: Checkpoint | None = None) -> list[dict[str, float]]:
        """Train to the end; returns the history. Raises what `fit` raises, and CheckpointError as `check_resume`."""
        state = None
        if resume is not None:
            self.check_resume(resume)
            state = dict(resume.training)
            if not (self.folder / "best.pth").is_file():
                state["best"] = {}  # its weights are not here, so the best of the epochs to come counts
            self.network.load_state_dict(resume.network().state_dict())
        else:
            torch.manual_seed(self.settings.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "curves.png").unlink(missing_ok=True)
        steps = self.settings.epochs * len(self.train)
        done = 0 if state is None else int(state["epoch"]) * len(self.train)
        quiet = contextlib.nullcontext(lambda: None)
        with training_progress(steps, done) if self.report else quiet as advance:
            history: list[dict[str, float]] = [] if state is None else list(state["history"])
            for training in fit(
                self.network,
                self.train,
                self.validation,
                self.settings,
                resume=state,
                on_batch=lambda _number: advance(),
            ):
                history = training.history
                self._save(training)
                if self.report:
                    self.report(epoch_line(history[-1], self.settings.epochs))
        self._finish(history)
        return history

    def check_resume(self, checkpoint: Checkpoint) -> None:
        """Raise CheckpointError when the checkpoint is of another network, data, split or settings, or of no training."""
        state = checkpoint.training
        if "optimizer" not in state:
            raise CheckpointError(
                "The checkpoint holds no training to continue, only a network. Train it anew from its weights."
            )
        if checkpoint.spec != self.spec:
            raise CheckpointError("The checkpoint to resume from holds another network than the one assembled here.")
        try:
            self._check_same(state)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"The checkpoint's training cannot be continued ({error!r}); it was damaged or changed by hand. Train anew."
            ) from error

    def _check_same(self, state: Mapping[str, Any]) -> None:
        fingerprint = self._fingerprint
        if state["data"]["fingerprint"] != fingerprint:
            raise CheckpointError(
                f"The data has changed since the checkpoint was written ({state['data']['source']}: "
                f"{state['data']['fingerprint'][:12]} then, {fingerprint[:12]} now). Resume with the same data, or train anew."
            )
        known, here = state["settings"], self.settings.to_dict()
        free = {"epochs"} if self.settings.schedule.lower() == "constant" else set()
        different = [name for name in here if name not in free and str(known[name]).lower() != str(here[name]).lower()]
        if different:
            then, now = (", ".join(f"{name}={value[name]!r}" for name in different) for value in (known, here))
            raise CheckpointError(
                f"The checkpoint was trained with {then}; it cannot be resumed with {now}. Give the same settings (the seed with "
                f"set_seed, before the data is loaded), or start from its weights alone with checkpoint=."
            )
        if state["split"]["train"].tolist() != self.train.indices.tolist():
            raise CheckpointError(
                "The checkpoint was trained on another part of the data. Give the same seed and train_val_ratio, or train anew."
            )
        if int(state["epoch"]) > self.settings.epochs:
            raise CheckpointError(
                f"The checkpoint holds {state['epoch']} epochs already; epochs={self.settings.epochs} was given. Give more."
            )

    def checkpoint(self, training: Training | None = None, measured: dict[str, Any] | None = None) -> Checkpoint:
        """The checkpoint of the present weights."""
        data = self.train.data
        source = self.validation or self.train
        positions = torch.from_numpy(source.indices[:_SAMPLES])
        facts = {
            "data": {"source": data.source, "examples": len(data), "fingerprint": self._fingerprint},
            "split": {
                "train": torch.from_numpy(self.train.indices),
                "validation": torch.from_numpy(self.validation.indices) if self.validation else None,
                "same_source": self.validation is None or self.validation.data is data,
            },
            **self.facts,
        }
        card = ModelCard(
            task=data.task,
            inputs=(data.card,),
            labels=data.labels,
            training={
                # the end of the path only: the file travels, and where things lie on one machine is nobody's business
                "data": "/".join(Path(data.source).parts[-2:]),
                "examples": self.train.examples,
                **self.settings.to_dict(),
                "measured": measured or {},
            },
            producer=producer(),
        )
        return Checkpoint(
            self.spec,
            {name: tensor.detach().cpu() for name, tensor in self.network.state_dict().items()},
            card,
            source.data.inputs.take(positions),
            facts if training is None else {**training.state(), **facts},
        )

    @functools.cached_property
    def _fingerprint(self) -> str:
        return self.train.data.fingerprint()

    def _save(self, training: Training) -> None:
        checkpoint = self.checkpoint(training, _measured(training.history[-1]))
        # last.pth comes last: a training stopped in between is continued from the epoch before, and meets its best again
        if training.is_best:
            checkpoint.save(self.folder / "best.pth")
        checkpoint.save(self.folder / "last.pth")
        content = {"settings": self.settings.to_dict(), "epochs": training.history}
        atomic_write(self.folder / "history.json", json.dumps(content, indent=2))

    def _finish(self, history: list[dict[str, float]]) -> None:
        """Measure the best network on the test part, and draw."""
        shown = self.test or self.validation or self.train
        best = Checkpoint.load(self.folder / "best.pth")
        network = best.network().to(next(self.network.parameters()).device)
        if self.test is not None:
            measured = evaluate(network, self.test, self.settings.loss, self.settings.metrics)
            known = {**best.card.training["measured"], **{f"test_{name}": value for name, value in measured.items()}}
            card = replace(best.card, training={**best.card.training, "measured": known})
            replace(best, card=card).save(self.folder / "best.pth")
            if self.report:
                values = "  ".join(f"{name} {value:.4f}" for name, value in measured.items())
                self.report(f"test part, {self.test.examples:,} examples, with the best epoch's weights: {values}")
        if shown.data.task == "classification":
            predicted = [forward.argmax(1) for forward in _forward(network, shown)]
            matrix = confusion_matrix(shown.targets().numpy(), torch.cat(predicted).numpy(), len(shown.data.labels))
            atomic_write(self.folder / "confusion.png", confusion_png(matrix, shown.data.labels))
        # the last file: where it is, nothing is left to do
        atomic_write(self.folder / "curves.png", curves_png(history))


def _forward(network: torch.nn.Module, batches: Batches) -> list[torch.Tensor]:
    device = next(network.parameters()).device
    plain = Batches(batches.data, batches.indices, batch_size=max(256, batches.batch_size))
    network.eval()
    with torch.inference_mode():
        return [network(inputs.to(device)).cpu() for inputs, _ in plain]


def _measured(entry: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in entry.items() if name not in ("lr", "seconds") and math.isfinite(value)}


def epoch_line(entry: dict[str, float], epochs: int) -> str:
    """One line for an epoch's entry in the history."""
    values = "  ".join(f"{name} {value:.4f}" for name, value in entry.items() if name not in ("epoch", "lr", "seconds"))
    return f"epoch {int(entry['epoch']) + 1}/{epochs}  {values}  {entry['seconds']:.1f} s"


def producer() -> dict[str, str]:
    """Names and versions of what makes the files."""
    names = ("onnx-edge-toolkit", "torch")
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed as a package"
    return versions
