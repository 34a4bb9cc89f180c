"""`nn`: assemble, train, use and export a network in a few lines, in the manner of BaseNN."""

from __future__ import annotations

import importlib.metadata
import json
import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from runtime.card import InputCard, ModelCard, TableInput
from runtime.console import table
from runtime.errors import InputError, SpecError, suggest
from runtime.inputs import prepare
from runtime.preprocess import prepare_table, read_table, table_rows
from toolkit.builder.network import Network
from toolkit.builder.spec import LayerSpec, NetworkSpec, batch_shape, build, check, read_shape
from toolkit.builder.summary import Summary, summarize
from toolkit.builder.transforms import image_card
from toolkit.data.arrays import load_arrays, load_npz
from toolkit.data.batches import Batches
from toolkit.data.class_names import class_names
from toolkit.data.dataset import Dataset, Task
from toolkit.data.images import load_images
from toolkit.data.source import Source
from toolkit.data.splits import split
from toolkit.data.tables import load_csv
from toolkit.training.checkpoint import Checkpoint
from toolkit.training.losses import default_loss, find_loss
from toolkit.training.metrics import check_metrics, default_metrics
from toolkit.training.optimizers import find_optimizer
from toolkit.training.run import Run, producer
from toolkit.training.schedules import find_schedule
from toolkit.training.settings import Settings

__all__ = ["nn", "pth_info"]

_TASKS: dict[str, Task] = {
    "cls": "classification",
    "classification": "classification",
    "reg": "regression",
    "regression": "regression",
}


class nn:  # noqa: N801 - the name that its users know
    """A network under construction, with its data and its results.

    Args:
        task: "cls" to tell classes apart, "reg" to predict numbers.
        save_fold: folder for checkpoints and pictures.
        input_shape: shape of one input without the batch axis, such as (1, 28, 28); loading data tells it too.

    Raises:
        SpecError: `task` is not known, or `input_shape` is no shape.
    """

    def __init__(
        self,
        task: str = "cls",
        save_fold: str | os.PathLike[str] | None = None,
        *,
        input_shape: Sequence[int] | None = None,
    ) -> None:
        if not isinstance(task, str) or task.lower() not in _TASKS:
            raise SpecError(f"The task {task!r} is not known.{suggest(str(task), _TASKS)}")
        self.task: Task = _TASKS[task.lower()]
        self.save_fold: str | os.PathLike[str] = save_fold if save_fold is not None else "checkpoints"
        self.optimizer = "Adam"
        self.device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self.val_label: np.ndarray | None = None
        self.res: np.ndarray | None = None
        self._spec = NetworkSpec(None if input_shape is None else read_shape(input_shape))
        self._network: Network | None = None
        self._seed: int | None = None
        self._train: Batches | None = None
        self._validation: Batches | None = None
        self._test: Batches | None = None
        self._checkpoint: Checkpoint | None = None

    # ---- assembling -------------------------------------------------------------------------------------------------

    def add(
        self, layer: str | None = None, activation: str | None = None, optimizer: str | None = None, **arguments: Any
    ) -> None:
        """Add a layer, an activation, or choose the optimiser.

        The layer is checked against what it will receive at once, as far as the input's shape is known by then.

        Raises:
            SpecError: a name or an argument is unknown, or the layer does not fit the one before it.
        """
        if optimizer is not None:
            self.optimizer = find_optimizer(optimizer)
        if layer is None and activation is None:
            if optimizer is None or arguments:
                raise SpecError(
                    "add() was given neither a layer nor an activation. Name one, such as add('linear', size=(4, 3))."
                )
            return
        if layer is not None and not isinstance(layer, str):
            raise SpecError(
                f"add() was given a {type(layer).__name__}; the name of a layer is expected. A torch module of your own is "
                f"exported with exporters.export(module, 'model.onnx', example=x)."
            )
        entry = LayerSpec.parse(layer, arguments, activation, len(self._spec.layers) + 1)
        extended = NetworkSpec(self._spec.input_shape, (*self._spec.layers, entry))
        check(extended)
        self._spec = extended
        self._network = self._checkpoint = None  # both were of the network without this layer

    @property
    def spec(self) -> NetworkSpec:
        """The network's description, with inferred sizes filled in as far as they are known."""
        return check(self._spec)[0]

    @property
    def model(self) -> Network:
        """The torch network; built with fresh weights when it is first asked for."""
        if self._network is None:
            if not self._spec.layers:
                raise SpecError("The network has no layers yet. Add one, such as add('linear', size=(4, 3)).")
            if self._seed is not None:
                torch.manual_seed(self._seed)
            self._network = build(self._spec)
        return self._network

    @property
    def card(self) -> ModelCard | None:
        """Pre-processing, labels and training summary of the checkpoint trained or loaded last, or None."""
        return None if self._checkpoint is None else self._checkpoint.card

    def summary(self, input_shape: Sequence[int] | None = None) -> Summary:
        """The network as a table: layer, output shape, parameters, multiply-adds. `print()` it, or use its rows."""
        spec = self._spec if input_shape is None else NetworkSpec(read_shape(input_shape), self._spec.layers)
        complete, shapes = check(spec)
        if not shapes or complete.input_shape is None:
            raise SpecError(
                "The shape of the network's input is not known yet. Load data first, or say it: summary((1, 28, 28))."
            )
        with torch.device("meta"):
            network = build(complete)
        return summarize(network, complete.input_shape)

    def print_model(self) -> None:
        """Print the table of `summary()`; while the input's shape is unknown, the layers as they were added."""
        if check(self._spec)[1]:
            print(self.summary())
            return
        rows = [
            (
                position,
                entry.layer or "",
                ", ".join(f"{k}={v!r}" for k, v in entry.arguments.items()),
                entry.activation or "",
            )
            for position, entry in enumerate(self._spec.layers, start=1)
        ]
        print(table(("", "layer", "arguments", "activation"), rows))
        print("Output shapes follow once data is loaded, or with summary((channels, height, width)).")

    # ---- data -------------------------------------------------------------------------------------------------------

    def load_img_data(
        self,
        data_path: str | os.PathLike[str],
        classes: Sequence[str] | Mapping[Any, Any] | None = None,
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
        batch_mode: bool = False,
        transform: Any = None,
        color: Literal["RGB", "grayscale"] = "RGB",
        num_workers: int = 0,
        data_type: str = "image_folder",
    ) -> Any:
        """Pictures in one sub-folder a class.

        Args:
            data_path: the folder.
            classes: names in the order of the folders, or a dictionary between names and indices, either way round.
            batch_size: examples a step.
            train_val_ratio: share of the training part; below 1 the rest is for validation.
            shuffle: another order each epoch.
            batch_mode: accepted for familiarity; sets that do not fit in memory are read in batches by themselves.
            transform: {"Resize": (height, width), "CenterCrop": ..., "Normalize": (mean, std)}, or torchvision's own of these.
            color: "RGB" or "grayscale".
            num_workers: threads that decode; 0 takes one a core.
            data_type: accepted for familiarity.

        Returns:
            The batches, or (training batches, validation batches) when `train_val_ratio` is below 1.
        """
        if color not in ("RGB", "grayscale"):
            raise InputError(f"color={color!r} was given.{suggest(str(color), ('RGB', 'grayscale'))}")
        labels = class_names(classes)
        card = image_card(transform, color)
        data = load_images(data_path, card=card, labels=labels, workers=num_workers or None)
        return self._use(data, batch_size, train_val_ratio, shuffle)

    def load_tab_data(
        self,
        data_path: str | os.PathLike[str],
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
        y_type: str | None = None,
        num_workers: int = 0,
        *,
        classes: Sequence[str] | Mapping[Any, Any] | None = None,
        scale: bool = True,
    ) -> Any:
        """A CSV table: a header, number columns, the label or value in the last column.

        `scale` brings each column to mean 0 and deviation 1; the card keeps the numbers, so `inference` and the exported
        file take unscaled rows. `y_type` and `num_workers` are accepted for familiarity. Returns as `load_img_data`.
        """
        labels = class_names(classes)
        data = load_csv(data_path, task=self.task, labels=labels, scale=scale)
        return self._use(data, batch_size, train_val_ratio, shuffle)

    def load_npz_data(
        self,
        data_path: str | os.PathLike[str],
        batch_size: int = 32,
        shuffle: bool = True,
        classes: Sequence[str] | Mapping[Any, Any] | None = None,
        train_val_ratio: float = 1.0,
        num_workers: int = 0,
    ) -> Any:
        """An NPZ file with the arrays ``data`` and ``label``. Returns as `load_img_data`."""
        labels = class_names(classes)
        data = load_npz(data_path, task=self.task, labels=labels)
        return self._use(data, batch_size, train_val_ratio, shuffle)

    def load_dataset(
        self,
        x: Any,
        y: Any,
        num_workers: int = 0,
        *,
        classes: Sequence[str] | Mapping[Any, Any] | None = None,
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
    ) -> Any:
        """Arrays: `x` (N, ...), `y` labels (N,), one-hot (N, K) or values. uint8 pictures are scaled to 0..1.

        Returns as `load_img_data`.
        """
        labels = class_names(classes)
        data = load_arrays(_array(x), _array(y), task=self.task, labels=labels)
        return self._use(data, batch_size, train_val_ratio, shuffle)

    def use(
        self, source: Source, *, batch_size: int = 32, train_val_ratio: float = 0.9, shuffle: bool = True
    ) -> Batches:
        """Train on an opened source; its own validation and test parts are used where it brings them."""
        ratio = 1.0 if source.validation is not None else train_val_ratio
        self._use(source.train, batch_size, ratio, shuffle)
        if source.validation is not None:
            self._validation = Batches(source.validation, batch_size=batch_size)
        self._test = None if source.test is None else Batches(source.test, batch_size=max(256, batch_size))
        assert self._train is not None
        return self._train

    def _use(self, data: Dataset, batch_size: int, train_val_ratio: float, shuffle: bool) -> Any:
        if data.task != self.task:
            raise InputError(f"The data is for {data.task}, the network for {self.task}. Use nn('{data.task[:3]}').")
        seed = self._seed if self._seed is not None else _draw_seed()
        parts = split(data, train_val_ratio, seed)
        train = Batches(data, parts.train, batch_size=batch_size, shuffle=shuffle, seed=seed)
        validation = Batches(data, parts.validation, batch_size=batch_size) if len(parts.validation) else None
        spec = NetworkSpec(data.shape, self._spec.layers)
        check(spec)
        loaded = self._checkpoint is not None and self.spec == check(spec)[0]
        if not loaded:  # weights that were loaded or trained stay, for data of the same shape
            self._network = None
        self._spec, self._checkpoint = spec, None
        self._train, self._validation, self._test = train, validation, None
        return train if validation is None else (train, validation)

    # ---- training ---------------------------------------------------------------------------------------------------

    def set_seed(self, seed: int) -> None:
        """Seed every generator: initial weights, order of batches, split, dropout."""
        if not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise SpecError(f"seed={seed!r} was given; a whole number from 0 to 4294967295 is expected.")
        self._seed = seed
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    def train(
        self,
        lr: float | None = None,
        epochs: int = 30,
        batch_num: int = 1,
        batch_size: int | None = None,
        save_fold: str | os.PathLike[str] | None = None,
        loss: str | None = None,
        metrics: Sequence[str] | None = None,
        filename: str | None = "basenn.pth",
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        schedule: str = "constant",
        weight_decay: float = 0.0,
        resume: str | os.PathLike[str] | None = None,
        verbose: bool = True,
        report: Callable[[str], None] | None = print,
        facts: Mapping[str, Any] | None = None,
    ) -> list[dict[str, float]]:
        """Train on the loaded data.

        Args:
            lr: learning rate; None takes the optimiser's usual one.
            epochs: passes over the training part.
            batch_num: accepted for familiarity.
            batch_size: examples a step; None keeps the one given when loading.
            save_fold: folder for checkpoints and pictures.
            loss: None takes cross-entropy for classes, the squared error for numbers.
            metrics: "acc", "mae", "mse", "rmse", "r2".
            filename: the network after the last epoch is also written under this name in the folder; None leaves it out.
            checkpoint: start from the weights of this file.
            schedule: "constant", "cosine" or "onecycle".
            weight_decay: as the optimiser defines it.
            resume: continue the training of this file, bit for bit.
            verbose: show a progress bar and a line an epoch.
            report: takes the lines.
            facts: plain values to keep in the checkpoints beside the training's own.

        Returns:
            One entry an epoch: epoch, loss and metrics, the same with ``val_`` before them, lr, seconds.

        Raises:
            SpecError: no data or layers yet, an unknown name, or a network that does not fit the data.
        """
        if self._train is None:
            raise SpecError(
                "There is no data to train on. Load some first: load_img_data, load_tab_data, load_npz_data or load_dataset."
            )
        if save_fold is not None:
            self.save_fold = save_fold
        resumed = None if resume is None else Checkpoint.load(resume)
        fresh = self._network is None
        network = self.model
        self._check_output()
        if fresh:
            self._start_at_mean()
        if checkpoint is not None:
            self._take_weights(Checkpoint.load(checkpoint), checkpoint)
        settings = self._settings(lr, epochs, batch_size, loss, metrics, schedule, weight_decay)
        if batch_size is not None:
            for batches in (self._train, self._validation):
                if batches is not None:
                    batches.batch_size = settings.batch_size
        folder = Path(self.save_fold)
        run = Run(
            self.spec,
            network.to(self.device),
            self._train,
            self._validation,
            self._test,
            settings,
            folder,
            report=report if verbose else None,
            facts=dict(facts or {}),
        )
        history = run.execute(resumed)
        self._checkpoint = Checkpoint.load(folder / "last.pth")
        if filename:
            self._checkpoint.save(folder / filename)
        return history

    def _settings(
        self,
        lr: float | None,
        epochs: int,
        batch_size: int | None,
        loss: str | None,
        metrics: Sequence[str] | None,
        schedule: str,
        weight_decay: float,
    ) -> Settings:
        assert self._train is not None
        find_loss(loss or default_loss(self.task), self.task)
        find_schedule(schedule)
        names = [metrics] if isinstance(metrics, str) else metrics or default_metrics(self.task)
        if self.task == "regression":
            names = [name for name in names if name.lower() not in ("acc", "accuracy")] or default_metrics(self.task)
        size = self._train.batch_size if batch_size is None else batch_size
        if not isinstance(size, int) or size < 1:
            raise SpecError(f"batch_size={size!r} was given; a whole number of at least 1 is expected.")
        return Settings(
            optimizer=self.optimizer,
            loss=loss or default_loss(self.task),
            metrics=check_metrics(names, self.task),
            seed=self._train.seed,
            lr=lr,
            epochs=epochs,
            batch_size=size,
            schedule=schedule,
            weight_decay=weight_decay,
        )

    def _start_at_mean(self) -> None:
        """A fresh regression begins at the mean of its targets: a way of hundreds of units would take most of the training."""
        assert self._train is not None
        last = list(self.model)[-1]
        if self.task == "regression" and isinstance(last, torch.nn.Linear) and last.bias is not None:
            with torch.no_grad():
                last.bias.copy_(self._train.targets().mean(0))

    def _check_output(self) -> None:
        """The network must end in one number a class or target."""
        assert self._train is not None
        data = self._train.data
        shape = check(self._spec)[1][-1]
        expected = (len(data.labels),)
        if shape != expected:
            what = "classes" if self.task == "classification" else "targets"
            raise SpecError(
                f"The network ends in {batch_shape(shape)}, but the data has {len(data.labels)} {what} ({', '.join(data.labels[:8])}"
                f"{', ...' if len(data.labels) > 8 else ''}). Let the last layer give {batch_shape(expected)}."
            )

    def _take_weights(self, checkpoint: Checkpoint, path: str | os.PathLike[str]) -> None:
        if checkpoint.spec != self.spec:
            raise SpecError(f"{path} holds another network than the one assembled here; its weights do not fit.")
        self.model.load_state_dict(checkpoint.state_dict)

    # ---- using ------------------------------------------------------------------------------------------------------

    def inference(
        self,
        data: Any = None,
        show: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        hidden: None = None,
        label: bool = False,
    ) -> np.ndarray:
        """Run the network with the pre-processing of its data.

        Args:
            data: a picture's path, a folder, a CSV table, a Pillow image, an array, a list of these, or loaded batches.
                uint8 arrays are pictures; float arrays of the network's input shape are taken as prepared; tables are raw.
            show: print the result.
            checkpoint: use this file's network; None the one trained or loaded last.
            hidden: accepted for familiarity.
            label: a CSV table has a label column, which is left out.

        Returns:
            float32 (N, K): probabilities where the network ends in softmax, else its output. One input gives N = 1.

        Raises:
            InputError: `data` does not fit.
        """
        if checkpoint is not None:
            self.load(checkpoint)
        network = self.model.to(self.device).eval()
        card = self._input_card()
        if isinstance(data, Batches):
            batches: Any = (inputs for inputs, _ in data)
            if data.shuffle:
                raise InputError(
                    "These batches are shuffled, so results would have no order. Use the validation batches, or shuffle=False."
                )
            self.val_label = data.targets().numpy()
        elif isinstance(data, str | os.PathLike) and isinstance(card, TableInput):
            rows = _csv_rows(data, card, label)
            batches = torch.split(torch.from_numpy(rows), 1024)
        else:
            rows, _ = prepare(_array(data), card)
            batches = torch.split(torch.from_numpy(rows), 256)
        with torch.inference_mode():
            parts = [network(inputs.to(self.device)).cpu().numpy() for inputs in batches]
        if not parts:
            raise InputError("No input was given; at least one is expected.")
        self.res = np.concatenate(parts)
        if show:
            print(self.res)
        return self.res

    def print_result(self, result: np.ndarray | None = None) -> dict[int, dict[str, Any]]:
        """Print and return the last inference (or `result`, (N, K)) in words.

        Returns:
            {row: {"预测值": predicted class or value, "置信度": confidence}}; the keys (predicted value, confidence) are
            those that BaseNN's users know. A regression has no confidence.
        """
        values = self.res if result is None else np.atleast_2d(np.asarray(result))
        if values is None:
            raise SpecError("There is no result yet. Call inference(...) first.")
        found: dict[int, dict[str, Any]] = {}
        for row, numbers in enumerate(values):
            if self.task == "regression":
                found[row] = {"预测值": numbers[0] if len(numbers) == 1 else numbers}
                continue
            index = int(numbers.argmax())
            found[row] = {"预测值": self._label(index), "置信度": float(numbers[index])}
        print(found)
        return found

    def save(self, model_path: str | os.PathLike[str] = "basenn.pth") -> None:
        """Write a checkpoint of the present network."""
        self._present().save(model_path)

    def load(self, model_path: str | os.PathLike[str]) -> None:
        """Take network, pre-processing and labels from a checkpoint. Raises CheckpointError."""
        checkpoint = Checkpoint.load(model_path)
        self._network = checkpoint.network()
        self._spec, self._checkpoint = checkpoint.spec, checkpoint
        self.task = "regression" if checkpoint.card.task == "regression" else "classification"

    def convert(
        self,
        checkpoint: str | os.PathLike[str] | None = None,
        out_file: str | os.PathLike[str] = "convert_model.onnx",
        backend: str = "ONNX",
        opset_version: int | None = None,
        ir_version: int | None = None,
        verbose: bool = True,
    ) -> Any:
        """Export to one verified file; returns the exporter's report.

        Args:
            checkpoint: the file to export; None the present network.
            out_file: where to.
            backend: "ONNX", or another one that an installed package registers under ``toolkit.backends``.
            opset_version, ir_version: versions to ask for; None leaves them to the exporter.
            verbose: print what was written, and where the file has other versions than asked for.
        """
        found = {entry.name: entry for entry in importlib.metadata.entry_points(group="toolkit.backends")}
        if backend.lower() not in found:
            raise SpecError(f"There is no backend {backend!r}.{suggest(backend, found)}")
        export = found[backend.lower()].load()
        source = self._present() if checkpoint is None else Path(checkpoint)
        report = export(source, out_file, opset_version=opset_version, ir_version=ir_version)
        if verbose:
            for note in report.notes:
                print(f"note: {note}")
            print(f"wrote {report.path}: verified, worst difference from torch {report.parity.worst_difference:.1e}")
        return report

    def _present(self) -> Checkpoint:
        """A checkpoint of the network as it is now."""
        state = {name: tensor.detach().cpu() for name, tensor in self.model.state_dict().items()}
        if self._checkpoint is not None:
            known = self._checkpoint
            return Checkpoint(known.spec, state, known.card, known.samples, known.training)
        if self._train is None:
            raise SpecError(
                "The network has neither data nor a checkpoint, so its pre-processing is unknown. Load data first."
            )
        data = self._train.data
        samples = data.inputs.take(torch.from_numpy(self._train.indices[:16]))
        card = ModelCard(data.task, (data.card,), labels=data.labels, producer=producer())
        return Checkpoint(self.spec, state, card, samples)

    def _input_card(self) -> InputCard:
        if self._checkpoint is not None:
            return self._checkpoint.card.inputs[0]
        if self._train is not None:
            return self._train.data.card
        raise SpecError(
            "The network has neither data nor a checkpoint, so its pre-processing is unknown. Load one of them first."
        )

    def _label(self, index: int) -> str | int:
        if self._checkpoint is not None:
            labels = self._checkpoint.card.labels
        else:
            labels = self._train.data.labels if self._train is not None else ()
        if index < len(labels) and labels[index] != str(index):
            return labels[index]
        return index


def pth_info(checkpoint: str | os.PathLike[str]) -> dict[str, Any]:
    """Print and return what a checkpoint says of itself. Raises CheckpointError."""
    content = Checkpoint.load(checkpoint)
    facts = {**content.card.to_dict(), "network": content.spec.to_dict()}
    print(json.dumps(facts, indent=2, ensure_ascii=False))
    return facts


def _array(data: Any) -> Any:
    return data.detach().cpu().numpy() if isinstance(data, torch.Tensor) else data


def _draw_seed() -> int:
    return int(torch.randint(2**31, ()))


def _csv_rows(path: str | os.PathLike[str], card: TableInput, label: bool) -> np.ndarray:
    """Columns by their position, as in training: all of them, or all but the last when it is a label."""
    header, rows = read_table(path)
    width = len(header) - int(label)
    if width != len(card.columns):
        hint = " Say label=True when the last column is a label." if width == len(card.columns) + 1 else ""
        raise InputError(
            f"{path} has {width} number columns; the network takes {len(card.columns)}: {', '.join(card.columns)}.{hint}"
        )
    return prepare_table(table_rows([row[:width] for row in rows], header[:width], str(path)), card)
