"""Training, transfer learning, freezing and the learning-rate finder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.api.freezing import Freezing
from toolkit.api.scaling import Scaling
from toolkit.api.state import head_of
from toolkit.builder.layers.vision import TORCHVISION_NAMES
from toolkit.builder.spec import batch_shape, check
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.padding import padded_for
from toolkit.tasks.registry import find_task
from toolkit.training.checkpoints.checkpoint import FORMAT, Checkpoint, read_plain
from toolkit.training.loop.callbacks import Callbacks
from toolkit.training.loop.distributed import setup
from toolkit.training.loop.preparation import check_settings
from toolkit.training.losses import default_loss
from toolkit.training.metrics import check_metrics
from toolkit.training.named import plain
from toolkit.training.optimization.schedules import find_schedule
from toolkit.training.pretrained.load_weights import WeightsReport
from toolkit.training.runs.run import Run, epoch_line
from toolkit.training.settings import Settings

__all__ = ["Learning"]

_FUNCTION = "callable "  # before the name of a loss that is a function of the user's own


class Learning(Freezing, Scaling):
    """`train`, `plan`, `find_lr`, `freeze` and pretrained weights."""

    def train(
        self,
        lr: float | None = None,
        epochs: int = 30,
        batch_num: int = 1,
        batch_size: int | None = None,
        save_fold: str | os.PathLike[str] | None = None,
        loss: str | Mapping[str, Any] | Callable[..., torch.Tensor] | None = None,
        metrics: Sequence[str | Mapping[str, Any] | Callable[..., Any]] | None = None,
        filename: str | None = "basenn.pth",
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        schedule: str | Mapping[str, Any] | Callable[[float], float] = "constant",
        resume: str | os.PathLike[str] | None = None,
        callbacks: Sequence[Any] = (),
        tensorboard: bool = False,
        verbose: bool = True,
        report: Callable[[str], None] | None = print,
        facts: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> list[dict[str, float]]:
        """Train on the loaded data.

        The network then has the weights of the last epoch, with `early_stopping` those of the best one. The files of an earlier
        training in the folder are moved into a new folder inside, such as earlier-1.

        Args:
            lr: learning rate; None takes the optimiser's usual one.
            epochs: passes over the training part.
            batch_num: accepted for familiarity.
            batch_size: examples per step; None keeps the one given when loading.
            save_fold: folder for checkpoints and pictures.
            loss: a name, {"name": ..., options}, or a function of (outputs, targets); None takes cross-entropy for
                classes, the squared error for numbers, and when resuming what the training began with.
            metrics: names, {"name": ..., options}, or functions of (outputs, targets) of a whole epoch that give a number; None takes the task's usual ones, when resuming those of the
                training, [] none.
            filename: the network is also written under this name in the folder; None leaves it out.
            checkpoint: start from the weights of this file, and from its layers where none were added.
            schedule: of the learning rate: a name, {"name": ..., options}, or a function from the epochs done to a factor.
            resume: continue the training of this file, bit for bit.
            callbacks: functions that are called at each event; see `toolkit.training.loop.callbacks`.
            tensorboard: also write TensorBoard event files into the folder.
            verbose: show a progress bar and a line per epoch.
            report: called with each line.
            facts: plain values to keep in the checkpoints beside the training's own.
            settings: any other setting of `toolkit.training.settings.Settings`: weight_decay, warmup, clip_norm,
                accumulate, precision, ema, early_stopping, class_weights, sampling, freeze, rates, save_every, ...

        Returns:
            One entry per epoch: epoch, loss and metrics, the same with ``val_`` before them, lr, seconds.

        Raises:
            SpecError: no data or layers yet, an unknown name, or a network or loss that does not fit the data.
        """
        if save_fold is not None:
            self.save_fold = save_fold
        if not isinstance(self.save_fold, str | os.PathLike):
            raise SpecError(f"save_fold={self.save_fold!r} was given; a folder's path is expected.")
        if resume is not None and checkpoint is not None:
            raise SpecError(
                "resume= continues a training, checkpoint= begins one from learnt weights. Give one of them."
            )
        if report is not None and not callable(report):
            raise SpecError(f"report={report!r} was given; a function that takes a line is expected, such as print.")
        Callbacks(callbacks)
        kept = plain(facts or {}, "facts")
        resumed = None if resume is None else Checkpoint.load(resume)
        learnt = None if checkpoint is None else Checkpoint.load(checkpoint)
        if learnt is not None and not self._spec.layers:
            assembled = dataclasses.replace(self._spec, layers=learnt.spec.layers, init=learnt.spec.init)
            check(assembled)
            self._spec = assembled
        if resumed is not None:
            loss, metrics = _as_begun(resumed.training, loss, metrics)
            self._pad_as(resumed)
        planned = self.plan(
            lr=lr, epochs=epochs, batch_size=batch_size, loss=loss, metrics=metrics, schedule=schedule, **settings
        )
        if learnt is not None and checkpoint is not None:
            self._take_weights(learnt, checkpoint)
            self._scale_outputs(planned.loss, loss)
        if resumed is None:
            self._start_near(planned.loss)
        else:
            self._as_in(resumed)
        network = self.model
        assert self._train is not None
        processes = setup(self.device)
        self.device = processes.device
        folder = Path(self.save_fold)
        run = Run(
            check(self._spec)[0],
            network.to(self.device),
            *self._planned(planned),
            self._test,
            planned,
            folder,
            report=report if verbose else None,
            facts=kept,
            loss=loss if callable(loss) else None,
            schedule=schedule if callable(schedule) else None,
            callbacks=tuple(callbacks),
            tensorboard=tensorboard,
            processes=processes,
            others=(filename,) if filename else (),
        )
        try:
            history = run.execute(resumed)
        finally:
            run.train.close()
        self._checkpoint = Checkpoint.load(folder / run.kept)
        best = run.best
        self._better = None
        if run.kept == "last.pth" and best["epoch"] < history[-1]["epoch"]:
            self._better = self._checkpoint, epoch_line(best, len(history)), folder / "best.pth"
        if filename and run.writes:
            self._checkpoint.save(folder / filename)
        return history

    def plan(
        self,
        *,
        lr: float | None = None,
        epochs: int = 30,
        batch_size: int | None = None,
        loss: Any = None,
        metrics: Sequence[str | Mapping[str, Any] | Callable[..., Any]] | None = None,
        schedule: Any = "constant",
        **settings: Any,
    ) -> Settings:
        """Dry run of `train`: the settings, checked against the network and the data, without training.

        Raises:
            SpecError: as `train`.
        """
        if self._train is None:
            raise SpecError(
                "There is no data to train on. Load some first: load_img_data, load_tab_data, load_npz_data or load_dataset."
            )
        self._check_output(loss)
        task = find_task(self.task)
        given = task.default_metrics if metrics is None else metrics
        if not isinstance(given, Iterable) and not callable(given):
            raise SpecError(f"metrics={metrics!r} was given; a list of names is expected, such as ['acc', 'f1'].")
        names: list[Any] = (
            list(given) if isinstance(given, Iterable) and not isinstance(given, str | Mapping) else [given]
        )
        if names:
            names = [name for name in names if str(name).lower() not in task.ignored_metrics]
            names = names or list(task.default_metrics)
        value = {
            "optimizer": self.optimizer,
            "loss": _loss_setting(loss, self._train.data),
            "metrics": check_metrics(names, self.task),
            "seed": self._train.seed,
            "lr": lr,
            "epochs": epochs,
            "batch_size": self._train.batch_size if batch_size is None else batch_size,
            "schedule": find_schedule(schedule),
            "freeze": tuple(self.frozen),
            **settings,
        }
        planned = Settings.from_dict(value)
        self._scale_outputs(planned.loss, loss)
        check_settings(
            self.model,
            self._train,
            self._validation,
            planned,
            loss if callable(loss) else None,
            schedule if callable(schedule) else None,
            self.device,
        )
        return planned

    def _planned(self, settings: Settings) -> tuple[Batches, Batches | None]:
        """Training and validation batches in the size and sampling of these settings."""
        assert self._train is not None
        train = self._train.replaced(
            batch_size=settings.batch_size, sampling=settings.sampling, drop_last=settings.drop_last
        )
        return train, self._validation and self._validation.replaced(batch_size=settings.batch_size)

    @property
    def batches(self) -> tuple[Batches, Batches | None, Batches | None]:
        """The training, validation and test batches. Raises SpecError when no data was loaded."""
        if self._train is None:
            raise SpecError("No data was loaded yet. Load some first.")
        return self._train, self._validation, self._test

    def find_lr(
        self,
        *,
        start: float = 1e-7,
        end: float = 10.0,
        steps: int = 100,
        loss: str | Mapping[str, Any] | Callable[..., torch.Tensor] | None = None,
        picture: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> float:
        """Learning-rate range test: raise the rate batch by batch, return the rate at the steepest fall of the loss.

        The network is left as it was. `picture` names a PNG file to draw the curve into.
        Smith, "Cyclical learning rates for training neural networks", 2017.
        """
        from runtime.atomic import atomic_write
        from toolkit.training.optimization.learning_rate_finder import find_learning_rate

        planned = self.plan(epochs=1, loss=loss, **settings)
        assert self._train is not None
        function = loss if callable(loss) else None
        found = find_learning_rate(
            self.model.to(self.device),
            self._planned(planned)[0],
            planned,
            start=start,
            end=end,
            steps=steps,
            loss=function,
        )
        if picture is not None:
            atomic_write(Path(picture), found.png())
        return found.suggestion

    def load_weights(
        self, path: str | os.PathLike[str] | Mapping[str, torch.Tensor], *, strict: bool = False
    ) -> WeightsReport:
        """Load the weights of a file that match by name and shape; the report lists those that did.

        Raises:
            CheckpointError: nothing fits, or with `strict` not everything.
            SpecError: they are of a checkpoint of the data's classes in another order.
        """
        if isinstance(path, str | os.PathLike) and Path(path).suffix.lower() != ".safetensors":
            content = read_plain(path)
            card = content.get("card") if isinstance(content, Mapping) and content.get("format") == FORMAT else None
            if isinstance(card, Mapping) and isinstance(card.get("labels"), list | tuple):
                self._refuse_other_order(card["labels"], path)
        return self._load_weights(path, strict)

    def load_pretrained(self, weights: str = "DEFAULT") -> WeightsReport:
        """Load torchvision's published weights of the network, such as resnet18, except for a head of another width.

        Raises:
            SpecError: the network is none of torchvision's, or has no such weights.
            InputError: they cannot be downloaded.
        """
        from toolkit.training.pretrained.torchvision_weights import start_from_pretrained

        names = [TORCHVISION_NAMES[entry.layer] for entry in self._spec.layers if entry.layer in TORCHVISION_NAMES]
        if len(names) != 1:
            raise SpecError(
                f"The network holds {len(names)} of torchvision's networks; one is expected, such as add('resnet18', num_classes=10)."
            )
        report = start_from_pretrained(self.model, names[0], weights)
        self._weights_given = True
        return report

    def change_head(self, num_classes: int) -> None:
        """Replace the last layer by a new one for another number of classes; all other weights are kept."""
        from toolkit.training.pretrained.head import change_head, spec_with_head

        network, spec = self.model, spec_with_head(check(self._spec)[0], num_classes)
        change_head(network, num_classes)
        self._spec, self._network, self._checkpoint = spec, network, None
        self._set_scaling(None)
        self._initial = head_of(network)

    # ---- within ---------------------------------------------------------------------------------------------------

    def _pad_as(self, resumed: Checkpoint) -> None:
        """Treat padding as the training to resume does."""
        padding, skips = resumed.spec.padding, resumed.spec.skips_padding
        self._spec = dataclasses.replace(self._spec, padding=padding, skips_padding=skips)
        if self._network is not None:
            self._network.padding, self._network.skips_padding = padding, skips
        if self._train is None:
            return
        data = padded_for(self._train.data, padding)
        if data is not self._train.data:
            parts = (self._train, self._validation, self._test)
            self._train, self._validation, self._test = (
                part and part.replaced(data=data if part.data is self._train.data else padded_for(part.data, padding))
                for part in parts
            )

    def _check_output(self, loss: Any) -> None:
        """Raise SpecError where the output is not one value per class or target, as the usual losses need."""
        assert self._train is not None
        data = self._train.data
        usual = loss is None or (isinstance(loss, str) and loss.lower().startswith(("cross", "mse", "l1")))
        noun = find_task(data.task).label_noun
        if noun is None or not usual or self.model.has_own_loss:
            return
        shape, expected = check(self._spec)[1][-1], (len(data.labels),)
        if shape == expected == (1,) and self.model.ends_in in ("softmax", "logsoftmax"):
            remedy = "Take a sigmoid" if find_task(data.task).activation == "sigmoid" else "Leave it out"
            raise SpecError(
                f"The network ends in a {self.model.ends_in} of one number, which is always the same. {remedy}."
            )
        if shape != expected:
            raise SpecError(
                f"The network ends in {batch_shape(shape)}, but the data has {len(data.labels)} {noun} ({', '.join(data.labels[:8])}"
                f"{', ...' if len(data.labels) > 8 else ''}). Let the last layer give {batch_shape(expected)}."
            )

    def _take_weights(self, checkpoint: Checkpoint, path: str | os.PathLike[str]) -> None:
        if checkpoint.spec != check(self._spec)[0]:
            raise SpecError(
                f"{path} holds another network than the one assembled here; its weights do not fit. Leave the layers out to take its "
                f"own, or take what fits by name and shape: load_weights({str(path)!r})."
            )
        self._refuse_other_order(checkpoint.card.labels, path)
        self._as_in(checkpoint)
        self.model.load_state_dict(checkpoint.state_dict)
        self._weights_given = True

    def _refuse_other_order(self, labels: Sequence[str], source: Any) -> None:
        """Raise SpecError where weights are of the data's own classes or values, in another order."""
        here = self._train.data.labels if self._train is not None else ()
        if set(labels) == set(here) and tuple(labels) != here:
            raise SpecError(
                f"The outputs in {source} are {', '.join(labels)}, in this order; the data has {', '.join(here)}. Load the data with "
                f"classes={list(labels)!r}."
            )


def _as_begun(state: Mapping[str, Any], loss: Any, metrics: Any) -> tuple[Any, Any]:
    """Loss and metrics of a training to resume, each as given or else as it began: what is usual changes over versions."""
    begun = state.get("settings")
    begun = begun if isinstance(begun, Mapping) else {}
    if loss is None and not str(begun.get("loss")).startswith(_FUNCTION):
        loss = begun.get("loss")
    return loss, begun.get("metrics") if metrics is None else metrics


def _loss_setting(loss: Any, data: Dataset) -> str | Mapping[str, Any]:
    if loss is None:
        return default_loss(data.task, data.views)
    return f"{_FUNCTION}{getattr(loss, '__name__', type(loss).__name__)}" if callable(loss) else loss
