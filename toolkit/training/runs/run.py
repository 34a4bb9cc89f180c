"""A training with its folder: checkpoints, history and pictures."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from runtime.atomic import atomic_write
from runtime.card import ModelCard
from runtime.errors import CheckpointError, SpecError
from toolkit.builder.own_modules import keep_instances
from toolkit.builder.spec import NetworkSpec
from toolkit.data.batching.batches import Batches
from toolkit.explain.plots import confusion_matrix, confusion_png, curves_png
from toolkit.tasks.registry import find_task
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.checkpoints.resuming import (
    arithmetic_facts,
    batches_facts,
    belongs_to,
    check_resume,
    data_facts,
    holds_best_of,
    resume_notes,
)
from toolkit.training.checkpoints.state_inventory import with_fields
from toolkit.training.loop.distributed import Processes, setup
from toolkit.training.loop.evaluation import evaluate, predict
from toolkit.training.loop.interruption import Interruption, TrainingInterrupted
from toolkit.training.loop.loop import Training, fit
from toolkit.training.loop.progress import training_progress
from toolkit.training.optimization.class_weights import class_weights
from toolkit.training.runs.folder import clear_leftovers, find_earlier, locked, set_aside
from toolkit.training.runs.history import epoch_line, measured
from toolkit.training.runs.producer import producer
from toolkit.training.runs.record import RunRecord, device_text
from toolkit.training.runs.saving import Saving, Snapshot
from toolkit.training.settings import Settings

__all__ = ["Run", "card_task", "epoch_line", "producer", "scaling_facts"]

_SAMPLES = 16


@dataclass
class Run:
    """Training run: network, data, settings and output folder.

    `execute` writes into `folder`: last.pth and best.pth every few seconds (`Saving`; with `settings.save_every` after each epoch and
    within it) and whenever it ends, history.json and history.csv, run.json, curves.png and, for classifiers, confusion.png.
    Of several processes only the first writes and reports.

    Attributes:
        spec: describes `network`.
        network: on the device where it is trained.
        train, validation, test: the parts of the data.
        settings: the settings of the training.
        folder: output folder.
        report: called with a line after each epoch; None is quiet and shows no progress.
        facts: plain values to keep in the checkpoints beside the training's own.
        loss: a function of (outputs, targets) in place of the loss that the settings name.
        schedule: a function from the epochs done to a factor of the rate, in place of the schedule that they name.
        callbacks: see `toolkit.training.loop.callbacks`.
        tensorboard: also write event files into the folder `tensorboard`.
        processes: this process among those that train together.
        others: names of further files that the caller writes into the folder.
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
    loss: Callable[..., torch.Tensor] | None = None
    schedule: Callable[[float], float] | None = None
    callbacks: Sequence[Any] = ()
    tensorboard: bool = False
    processes: Processes = field(default_factory=setup)
    others: Sequence[str] = ()

    @property
    def writes(self) -> bool:
        """True if this process writes the files."""
        return self.processes.writes

    def execute(self, resume: Checkpoint | None = None) -> list[dict[str, float]]:
        """Train to the end; returns the history.

        The files of another training in the folder are moved into a new folder inside, and a line says so.

        Raises:
            CheckpointError: as `check_resume`.
            InputError: another training is under way in the folder.
            TrainingInterrupted: Ctrl-C or SIGTERM; last.pth continues from where it stopped. A second Ctrl-C stops at once.
            ToolkitError: what `fit` raises.
        """
        with locked(self.folder) if self.writes else contextlib.nullcontext():
            return self._execute(resume)

    def _execute(self, resume: Checkpoint | None) -> list[dict[str, float]]:
        keep_instances(entry.own for entry in self.spec.layers)  # best.pth is read back at the end
        state = None
        if resume is not None:
            self.check_resume(resume)
            state = dict(resume.training)
            if int(state["epoch"]) >= self.settings.epochs:
                self._check_written(state["history"])
            if not holds_best_of(
                state, self.folder
            ):  # the best weights are missing, so only the coming epochs compete for best
                state = with_fields({**state, "best": {}})
        else:
            torch.manual_seed(self.settings.seed + self.processes.rank)
        history: list[dict[str, float]] = [] if state is None else [dict(entry) for entry in state["history"]]
        if self.writes:
            self._prepare_folder(state)
        if state is not None and self.writes and self.report:
            for note in resume_notes(state, self.settings, self._device):
                self.report(note)
        record = self._record(state)
        with self._watching(state) as callbacks, Interruption() as interruption:
            self._write(record, history, "running")
            try:
                for training in fit(
                    self.network,
                    self.train,
                    self.validation,
                    self.settings,
                    resume=state,
                    loss=self.loss,
                    schedule=self.schedule,
                    callbacks=callbacks,
                    save=self._save_position,
                    interruption=interruption,
                    processes=self.processes,
                ):
                    history = training.history
                    self._save(training)
            except TrainingInterrupted:
                self._write(record, history, "interrupted")
                raise
            finally:
                self._saving.write()
        self._check_written(history)
        if self.writes:
            self._finish(history)
            self._write(record, history, "finished")
        self.processes.wait()
        if self.kept == "best.pth" or self.settings.ema is not None:  # the averaged weights are what was trained
            self.network.load_state_dict(Checkpoint.load(self.folder / self.kept).state_dict)
        return history

    @functools.cached_property
    def best(self) -> dict[str, float]:
        """After the training: the history's entry of the best epoch, whose weights are in best.pth."""
        return dict(Checkpoint.load(self.folder / "best.pth").training["history"][-1])

    @property
    def kept(self) -> str:
        """Name of the file whose weights the network has after the training: with early stopping those of the best epoch."""
        return "last.pth" if self.settings.early_stopping is None else "best.pth"

    def check_resume(self, checkpoint: Checkpoint) -> None:
        """Raise CheckpointError when the checkpoint is of another network, data, split or settings, or of no training."""
        batches = batches_facts(self.train, self.validation)
        check_resume(checkpoint, self.spec, self.settings, self._data_facts, batches)

    def checkpoint(self) -> Checkpoint:
        """Checkpoint of the current weights, without a training."""
        return self._make_checkpoint(self.network.state_dict(), self.train.data.task, {}, self._facts())

    def _checkpoint_of(self, snapshot: Snapshot) -> Checkpoint:
        """Checkpoint of a training, with its averaged weights where it averages."""
        training = with_fields({**snapshot.state, **self._facts()})
        return self._make_checkpoint(snapshot.weights, snapshot.task, snapshot.measured, training)

    def _facts(self) -> dict[str, Any]:
        facts = {"data": self._data_facts, "split": batches_facts(self.train, self.validation)}
        return {**facts, "arithmetic": arithmetic_facts(self._device), **self.facts}

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _make_checkpoint(
        self,
        weights: Mapping[str, torch.Tensor],
        outputs: str,
        measured: Mapping[str, Any],
        training: Mapping[str, Any],
    ) -> Checkpoint:
        data = self.train.data
        source = self.validation or self.train
        positions = torch.from_numpy(source.indices[:_SAMPLES])
        samples = source.data.inputs.take(positions)
        card = ModelCard(
            task=card_task(outputs, self.network),
            inputs=data.cards,
            labels=find_task(outputs).card_labels(data.labels),
            training={
                # the end of the path only: the file travels, and the machine's folders are private
                "data": "/".join(Path(data.source).parts[-2:]),
                "examples": self.train.examples,
                **self.settings.to_dict(),
                **scaling_facts(self.network),
                "measured": dict(measured),
            },
            producer=producer(),
        )
        return Checkpoint(
            self.spec,
            {name: tensor.detach().cpu() for name, tensor in weights.items()},
            card,
            samples[:, 0] if data.views > 1 else samples,
            training,
        )

    @functools.cached_property
    def _saving(self) -> Saving:
        return Saving(self.folder, self.settings.to_dict(), self._checkpoint_of, self.settings.save_every is not None)

    @functools.cached_property
    def _data_facts(self) -> dict[str, Any]:
        return data_facts(self.train)

    def _check_written(self, history: Sequence[Mapping[str, float]]) -> None:
        """Raise SpecError where no epoch was trained, CheckpointError where best.pth or last.pth is missing."""
        if not history:
            raise SpecError("A callback stopped the training before its first epoch, so there is nothing to keep.")
        if not all((self.folder / name).is_file() for name in ("best.pth", "last.pth")):
            raise CheckpointError(
                f"The training to resume is complete after {len(history)} epochs, and {self.folder} does not hold its files. "
                f"Resume it in its own folder, or with more epochs."
            )

    def _prepare_folder(self, state: Mapping[str, Any] | None) -> None:
        """Set the files of another training aside, and remove what this one left half done."""
        earlier = find_earlier(self.folder)
        own = state is not None and any(belongs_to(self.folder / name, state) for name in ("last.pth", "best.pth"))
        if earlier is not None and not own:
            moved = set_aside(self.folder, *self.others)
            if self.report:
                self.report(f"{self.folder} held {earlier}; its files are in {moved} now")
        (self.folder / "curves.png").unlink(missing_ok=True)
        clear_leftovers(self.folder)

    def _record(self, state: Mapping[str, Any] | None) -> RunRecord:
        device = device_text(next(self.network.parameters()).device)
        done = None if state is None else int(state["epoch"])
        return RunRecord(self.settings, self._data_facts, device, self.processes.world, done)

    def _write(self, record: RunRecord, history: Sequence[Mapping[str, float]], state: str) -> None:
        if self.writes:
            record.write(self.folder, epochs=len(history), state=state)

    @contextlib.contextmanager
    def _watching(self, state: Mapping[str, Any] | None) -> Iterator[list[Any]]:
        """Context manager: the user's callbacks, plus TensorBoard and the progress bar."""
        callbacks = list(self.callbacks)
        with contextlib.ExitStack() as stack:
            if self.tensorboard and self.writes:
                from toolkit.training.runs.tensorboard import TensorBoard

                board = TensorBoard(self.folder / "tensorboard", self.validation or self.train)
                stack.callback(board.close)
                callbacks.append(board)
            if self.report is not None and self.writes:
                steps = self.train.steps(self.processes.world)
                done = 0 if state is None else int(state["epoch"]) * steps + int(state["batch"])
                bar = stack.enter_context(training_progress(self.settings.epochs, steps, done))
                callbacks.extend([] if bar is None else [bar])
            yield callbacks

    def _save_position(self, training: Training) -> None:
        """Write last.pth in the middle of an epoch."""
        snapshot = Snapshot.of(training)
        if self.writes:
            self._saving.write_position(snapshot)

    def _save(self, training: Training) -> None:
        snapshot = Snapshot.of(training)
        if not self.writes:
            return
        self._saving.add(snapshot, training.is_best)
        if self.report:
            self.report(epoch_line(training.history[-1], self.settings.epochs))

    def _finish(self, history: Sequence[Mapping[str, float]]) -> None:
        """Evaluate the best network on the test part, and write confusion.png and curves.png."""
        shown = self.test or self.validation or self.train
        best = Checkpoint.load(self.folder / "best.pth")
        if self.report and self.kept == "best.pth" and self.best["epoch"] < history[-1]["epoch"]:
            line = epoch_line(self.best, len(history))
            self.report(f"after {len(history)} epochs the weights of the best one are kept: {line}")
        network = best.network().to(next(self.network.parameters()).device)
        if self.test is not None:
            weights = class_weights(self.settings.class_weights, self.train)
            loss, metrics = self.loss or self.settings.loss, self.settings.metrics
            found = evaluate(network, self.test, loss, metrics, class_weights=weights)
            known = {
                **best.card.training["measured"],
                **measured({f"test_{name}": value for name, value in found.items()}),
            }
            card = replace(best.card, training={**best.card.training, "measured": known})
            replace(best, card=card).save(self.folder / "best.pth")
            if self.report:
                values = "  ".join(f"{name} {value:.4f}" for name, value in found.items())
                self.report(f"test part, {self.test.examples:,} examples, with the best epoch's weights: {values}")
        if find_task(shown.data.task).one_class:
            self._draw_confusion(network, shown)
        # the last file: where it is, nothing is left to do
        atomic_write(self.folder / "curves.png", curves_png(history))

    def _draw_confusion(self, network: torch.nn.Module, shown: Batches) -> None:
        """Write confusion.png, for a network with one output per class only (not for embeddings)."""
        order = Batches(shown.data, shown.indices, batch_size=shown.batch_size, crops=shown.crops)
        outputs = predict(network, order)
        if outputs.ndim == 2 and outputs.shape[1] == len(shown.data.labels):
            matrix = confusion_matrix(shown.targets().numpy(), outputs.argmax(1).numpy(), len(shown.data.labels))
            atomic_write(self.folder / "confusion.png", confusion_png(matrix, shown.data.labels))


def scaling_facts(network: torch.nn.Module) -> dict[str, Any]:
    """Mean and deviation of the targets that a network's last step scales back by, for a card; empty without such a step."""
    scaling = getattr(network, "target_scaling", None)
    if scaling is None:
        return {}
    return {"target_scaling": {"mean": scaling.mean.tolist(), "std": scaling.std.tolist()}}


def card_task(task: str, network: torch.nn.Module | None = None) -> str:
    """Task on a card: as the task says, but "raw" for a network with its own loss, which has no targets."""
    return "raw" if getattr(network, "has_own_loss", False) else find_task(task).card_task
