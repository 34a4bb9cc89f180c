"""Inference: run a network, print its results, save, load and export it."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.card import ModelCard, TableInput
from runtime.errors import InputError, SpecError, suggest
from runtime.preprocess import prepare_table, read_table, table_rows
from runtime.preprocess.inputs import prepare
from toolkit.api.generating import Generating
from toolkit.api.state import TASKS
from toolkit.builder.spec import check
from toolkit.data.batching.batches import Batches
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.runs.producer import producer
from toolkit.training.runs.run import card_task

__all__ = ["Inference", "pth_info"]


class Inference(Generating):
    """`inference`, `print_result`, `save`, `load`, `convert`."""

    def inference(
        self,
        data: Any = None,
        show: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        hidden: Any = None,
        label: bool = False,
        num: int = 4,
        return_all_timesteps: bool = True,
    ) -> Any:
        """Run the network with the pre-processing of its data.

        Args:
            data: a picture's path, a folder, a CSV table, a Pillow image, an array, texts, a list of these, loaded
                batches (in the order of the data, also where training shuffles them), or a torch DataLoader; `val_label`
                then holds the targets (N, ...) of the same rows. uint8 arrays are pictures; float arrays of the network's input shape are
                taken as prepared; tables are raw. For a text generator one token; for a diffusion model nothing.
            show: print the result.
            checkpoint: use this file's network; None the one trained or loaded last.
            hidden: for a text generator: the state that it returned with the token before; None at the beginning.
            label: a CSV table has a label column, which is left out.
            num: for a diffusion model: number of pictures to generate.
            return_all_timesteps: for a diffusion model: return every step from noise to picture, not the last alone.

        Returns:
            float32 (N, K): probabilities where the network ends in softmax, else its output. One input gives N = 1.
            For a text generator (probabilities (V,), hidden); for a diffusion model (num, steps + 1, C, H, W) or
            (num, C, H, W), in 0..1.

        Raises:
            InputError: `data` does not fit.
        """
        if checkpoint is not None:
            self.load(checkpoint)
        network = self.model.to(self.device).eval()
        if self._diffusion is not None and data is None:
            if not isinstance(num, int) or isinstance(num, bool) or num < 1:
                raise InputError(f"num={num!r} was given; a whole number of pictures of at least 1 is expected.")
            self.res = self._sample(num, return_all_timesteps)
            return self.res
        if data is None:
            raise InputError(
                "No input was given; inference(data) takes a picture's path, a table, an array, or a list of these."
            )
        if self._text_model is not None and isinstance(data, str):
            self.res, state = self._next_token(data, hidden)
            return self.res, state
        with torch.inference_mode():
            parts = [network(inputs.to(self.device)).cpu().numpy() for inputs in self._inputs(data, label)]
        if not parts:
            raise InputError("No input was given; at least one is expected.")
        self.res = np.concatenate(parts)
        if show:
            print(self.res)
        return self.res

    def _inputs(self, data: Any, label: bool) -> Any:
        """Batches of prepared inputs from any form of `data`."""
        card = self._input_card()
        if isinstance(data, Batches):
            # whatever the training's order and augmentation: the results are of the inputs as they are, in their own order
            ordered = Batches(data.data, data.indices, batch_size=data.batch_size, crops=data.crops)
            self.val_label = ordered.targets().numpy()
            return (inputs for inputs, _ in ordered)
        if isinstance(data, torch.utils.data.DataLoader):
            batches = []
            for batch in data:
                if not isinstance(batch, list | tuple) or len(batch) != 2:
                    raise InputError(
                        "The loader gives something else than pairs; (inputs, targets) in each batch are expected."
                    )
                batches.append((torch.as_tensor(batch[0]), torch.as_tensor(batch[1])))
            self.val_label = torch.cat([targets for _, targets in batches]).numpy() if batches else None
            return (torch.from_numpy(prepare(inputs.numpy(), card)[0]) for inputs, _ in batches)
        if isinstance(data, str | os.PathLike) and isinstance(card, TableInput):
            return torch.split(torch.from_numpy(_csv_rows(data, card, label)), 1024)
        if isinstance(data, torch.Tensor):
            data = data.detach().cpu().numpy()
        return torch.split(torch.from_numpy(prepare(data, card)[0]), 256)

    def print_result(self, result: np.ndarray | None = None) -> dict[int, dict[str, Any]]:
        """Print and return the last inference (or `result`, (N, K)) in words.

        Returns:
            {row: {"预测值": predicted class or value, "置信度": confidence}}; the keys (predicted value, confidence) are
            those that BaseNN's users know. A regression has no confidence; several labels at once give a list of each.
            The confidence is a probability, also where the network ends in logits.
        """
        try:
            values = self.res if result is None else np.atleast_2d(np.asarray(result, np.float32))
        except (TypeError, ValueError):
            raise InputError(f"The result {result!r} was given; rows of numbers (N, K) are expected.") from None
        if values is None:
            raise SpecError("There is no result yet. Call inference(...) first.")
        if values.ndim != 2:
            raise SpecError(
                f"The result has the shape {values.shape}; rows of classes or values (N, K) are expected. show() draws pictures."
            )
        found: dict[int, dict[str, Any]] = {}
        classes = self.task == "classification" and len(self._labels()) in (0, values.shape[1])  # else they are vectors
        for row, numbers in enumerate(values):
            if self.task == "multilabel":
                chosen = [index for index, number in enumerate(numbers) if number > 0.5]
                found[row] = {
                    "预测值": [self._label(index) for index in chosen],
                    "置信度": [float(numbers[index]) for index in chosen],
                }
            elif classes:
                index = int(numbers.argmax())
                found[row] = {"预测值": self._label(index), "置信度": float(_probabilities(numbers)[index])}
            else:
                found[row] = {"预测值": float(numbers[0]) if len(numbers) == 1 else numbers.tolist()}
        print(found)
        return found

    @property
    def card(self) -> ModelCard | None:
        """Pre-processing, labels and training summary of the checkpoint trained or loaded last, or None."""
        return None if self._checkpoint is None else self._checkpoint.card

    def save(self, model_path: str | os.PathLike[str] = "basenn.pth") -> None:
        """Write a checkpoint of the present network."""
        self._present().save(model_path)

    def load(self, model_path: str | os.PathLike[str], *, modules: Any = ()) -> None:
        """Take network, pre-processing and labels from a checkpoint.

        Args:
            model_path: the file.
            modules: the classes of modules of your own in it, or {name: class or function that makes one}.

        Raises:
            CheckpointError: the file is not one of our checkpoints.
            SpecError: it holds a module of your own that was not given.
        """
        from toolkit.builder.own_modules import register_modules

        register_modules(modules)
        checkpoint = Checkpoint.load(model_path)
        self._network = checkpoint.network()
        self._spec, self._checkpoint = checkpoint.spec, checkpoint
        self.task = TASKS.get(checkpoint.card.task, "classification")

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
            out_file: the file to write.
            backend: "ONNX", or another one that an installed package registers under ``toolkit.backends``.
            opset_version, ir_version: versions to ask for; None leaves them to the exporter.
            verbose: print what was written, and where the file has other versions than asked for.
        """
        for name, version in (("opset_version", opset_version), ("ir_version", ir_version)):
            if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 1):
                raise SpecError(
                    f"{name}={version!r} was given; a whole number is expected, or None for the exporter's own."
                )
        found = {entry.name: entry for entry in importlib.metadata.entry_points(group="toolkit.backends")}
        if not isinstance(backend, str) or backend.lower() not in found:
            raise SpecError(f"There is no backend {backend!r}.{suggest(str(backend), found)}")
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
        card = ModelCard(card_task(data.task, self.model), (data.card,), labels=data.labels, producer=producer())
        return Checkpoint(check(self._spec)[0], state, card, samples)

    def _label(self, index: int) -> str | int:
        labels = self._labels()
        return labels[index] if index < len(labels) and labels[index] != str(index) else index


def pth_info(checkpoint: str | os.PathLike[str]) -> dict[str, Any]:
    """Print a checkpoint's description, and return it as plain values. Raises CheckpointError."""
    from runtime.session.describe import card_lines
    from toolkit.training.checkpoints.describe import describe_checkpoint

    content = Checkpoint.load(checkpoint)
    try:
        print(describe_checkpoint(Path(checkpoint))[1])
    except SpecError as error:  # a module of its maker's own that is not at hand: the card needs none
        print("\n".join([*card_lines(content.card), "", str(error)]))
    return {**content.card.to_dict(), "network": content.spec.to_dict()}


def _probabilities(numbers: np.ndarray) -> np.ndarray:
    """Probabilities (K,) as the exported file gives them: values in 0..1 are kept, others are taken for logits."""
    if numbers.min() >= 0 and numbers.max() <= 1:
        return numbers
    grown = np.exp(numbers - numbers.max())  # of logarithms of probabilities the probabilities themselves
    return np.asarray(grown / grown.sum())


def _csv_rows(path: str | os.PathLike[str], card: TableInput, label: bool) -> np.ndarray:
    """Rows of a CSV table, columns by position as in training: all of them, or all but the last when it is a label."""
    header, rows = read_table(path)
    width = len(header) - int(label)
    if width != len(card.columns):
        hint = " Say label=True when the last column is a label." if width == len(card.columns) + 1 else ""
        raise InputError(
            f"{path} has {width} number columns; the network takes {len(card.columns)}: {', '.join(card.columns)}.{hint}"
        )
    return prepare_table(table_rows([row[:width] for row in rows], header[:width], str(path)), card)
