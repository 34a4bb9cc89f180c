"""Inference: run a network, print its results, save, load and export it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.card import ModelCard
from runtime.errors import InputError, OutputError, SpecError, suggest
from runtime.preprocess.inputs import prepare, prepare_items
from runtime.preprocess.named_inputs import parse_named_inputs
from runtime.results import find_decoder
from runtime.results.scores import not_finite
from toolkit.api.generating import Generating
from toolkit.builder.spec import check
from toolkit.data.batching.batches import Batches
from toolkit.data.padding import padded_for
from toolkit.tasks.registry import DEFAULT_TASK, find_task, known_task
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.evaluation import on
from toolkit.training.losses import Answer, find_answer
from toolkit.training.losses.outputs import plain_output
from toolkit.training.runs.producer import producer
from toolkit.training.runs.run import card_task, scaling_facts

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
            label: accepted for BaseNN's scripts: columns of a table go by their names, and further ones are left out anyway.
            num: for a diffusion model: number of pictures to generate.
            return_all_timesteps: for a diffusion model: return every step from noise to picture, not the last alone.

        Returns:
            float32 (N, K): probabilities where the network ends in softmax, else its output. One input gives N = 1.
            For a text generator (probabilities (V,), hidden); for a diffusion model (num, steps + 1, C, H, W) or
            (num, C, H, W), in 0..1.

        Raises:
            InputError: `data` does not fit.
            OutputError: an answer is NaN or infinite; `res` holds them all the same.
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
            parts = [self._said(network, on(self.device, inputs)) for inputs in self._inputs(data)]
        if not parts:
            raise InputError("No input was given; at least one is expected.")
        self.res = _joined(parts)
        self._check_answers()
        if show:
            print(self.res)
        return self.res

    def _check_answers(self) -> None:
        """Raise OutputError where rows of `res` are NaN or infinite."""
        named = self.res if isinstance(self.res, Mapping) else {"": self.res}
        for name, values in named.items():
            broken = not_finite(values, find_decoder(find_task(self.task).card_task).activation)
            if broken:
                row, words = next(iter(broken.items()))
                raise OutputError(
                    f"The network's answer{f' {name!r}' if name else ''} is not finite in {len(broken)} of {len(values)} rows: row "
                    f"{row + 1} has {words}. The answers are in model.res. Look for numbers far from those it was trained on; where "
                    f"every row gives this, its weights are broken: train it again, with a lower learning rate."
                )

    def _inputs(self, data: Any) -> Any:
        """Batches of prepared inputs from any form of `data`."""
        card = self._input_card()
        if isinstance(data, Batches):
            # whatever the training's order and augmentation: the results are of the inputs as they are, in their own order
            rows = padded_for(data.data, self._spec.padding)
            ordered = Batches(rows, data.indices, batch_size=data.batch_size, crops=data.crops)
            targets = ordered.targets()
            self.val_label = targets.numpy() if isinstance(targets, torch.Tensor) else [row.numpy() for row in targets]
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
        if isinstance(data, torch.Tensor):
            data = data.detach().cpu().numpy()
        if len(self._input_cards()) > 1:
            return self._several_inputs(data)
        return torch.split(torch.from_numpy(prepare(data, card)[0]), 256)

    def _said(self, network: torch.nn.Module, inputs: Any) -> Any:
        """The network's answer to prepared inputs, as the exported file gives it; its plain output where that is the answer."""
        answer = None if self._checkpoint is None else self._answer()
        if answer is None:
            return plain_output(network, inputs)
        found = answer(network, inputs if isinstance(inputs, tuple) else (inputs,))
        return found if len(found) > 1 else found[answer.role]

    def _answer(self) -> Answer | None:
        card = self._checkpoint.card if self._checkpoint is not None else None
        return None if card is None else find_answer(card.task, card.training.get("loss"))

    def _several_inputs(self, data: Any) -> Any:
        """Batches of the inputs of a network of several, given by name."""
        cards = self._input_cards()
        items, _ = parse_named_inputs(data, cards)
        prepared = [
            values if isinstance(values, np.ndarray) else prepare_items(values, card)
            for values, card in ((items.values[card.name], card) for card in cards)
        ]
        return zip(*(torch.split(torch.from_numpy(rows), 256) for rows in prepared), strict=True)

    def print_result(self, result: np.ndarray | None = None) -> dict[int, dict[str, Any]]:
        """Print and return the last inference (or `result`, (N, K)) in words.

        Returns:
            {row: {"预测值": predicted class or value, "置信度": confidence}}; the keys (predicted value, confidence) are
            those that BaseNN's users know. A regression has no confidence; several labels at once give a list of each.
            A row that is NaN or infinite has None for both, and the reason under "原因".
            The confidence is a probability, also where the network ends in logits.
        """
        try:
            values = self.res if result is None else np.atleast_2d(np.asarray(result, np.float32))
        except (TypeError, ValueError):
            raise InputError(f"The result {result!r} was given; rows of numbers (N, K) are expected.") from None
        if values is None:
            raise SpecError("There is no result yet. Call inference(...) first.")
        if isinstance(values, Mapping):  # such as means beside their variances
            answer = self._answer()
            if answer is None:
                raise SpecError(f"The result has the outputs {', '.join(values)}; read them by name: model.res[...].")
            values = values[answer.role]
        if values.ndim != 2:
            raise SpecError(
                f"The result has the shape {values.shape}; rows of classes or values (N, K) are expected. show() draws pictures."
            )
        found: dict[int, dict[str, Any]] = {}
        task, labels = find_task(self.task), self._labels()
        probabilities = self.model.ends_in in ("softmax", "sigmoid") if self._spec.layers else None
        broken = not_finite(values, find_decoder(task.card_task).activation)
        for row, numbers in enumerate(values):
            if row in broken:
                found[row] = {"预测值": None, "置信度": None, "原因": broken[row]}
                continue
            prediction, confidence = task.read_row(numbers, labels, probabilities)
            found[row] = {"预测值": prediction, **({} if confidence is None else {"置信度": confidence})}
        print(found)
        return found

    @property
    def card(self) -> ModelCard | None:
        """Pre-processing, labels and training summary of the checkpoint trained or loaded last, or None."""
        return None if self._checkpoint is None else self._present().card

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
        self._network, self._initial, self._former = checkpoint.network(), None, None
        self._spec, self._checkpoint = checkpoint.spec, checkpoint
        if find_task(self.task).card_task != checkpoint.card.task:
            found = known_task(checkpoint.card.task)
            self.task = DEFAULT_TASK if found is None else found.name

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
            checkpoint: the file to export; None the present network: after a training the weights of its last epoch, with
                `early_stopping` those of its best one.
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
            if self._better is not None and source is self._better[0]:
                _, epoch, path = self._better
                print(
                    f"note: these are the weights of the last epoch; the best one was {epoch}. Its weights: "
                    f"convert(checkpoint={str(path)!r}); early_stopping=... keeps them."
                )
            for note in report.notes:
                print(f"note: {note}")
            print(f"wrote {report.path}: verified, worst difference from torch {report.parity.worst_difference:.1e}")
        return report

    def _present(self) -> Checkpoint:
        """A checkpoint of the network as it is now."""
        state = {name: tensor.detach().cpu() for name, tensor in self.model.state_dict().items()}
        if self._checkpoint is not None:
            known = self._checkpoint
            if _same_weights(known.state_dict, state):
                return known
            # other weights than those that were trained: what was measured, and the optimiser's state, are not theirs
            kept = {name: known.card.training[name] for name in ("loss",) if name in known.card.training}
            kept |= scaling_facts(self.model)
            card = dataclasses.replace(known.card, training=kept, parity={}, producer=producer())
            return Checkpoint(
                dataclasses.replace(known.spec, target_scaling=self._spec.target_scaling), state, card, known.samples
            )
        if self._train is None:
            raise SpecError(
                "The network has neither data nor a checkpoint, so its pre-processing is unknown. Load data first."
            )
        data = self._train.data
        samples = data.inputs.take(torch.from_numpy(self._train.indices[:16]))
        card = ModelCard(
            card_task(data.task, self.model),
            data.cards,
            labels=data.labels,
            training=scaling_facts(self.model),
            producer=producer(),
        )
        return Checkpoint(check(self._spec)[0], state, card, samples)


def _same_weights(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """True if both hold the same tensors bit for bit; NaN is equal to itself."""
    return first.keys() == second.keys() and all(
        one.shape == second[name].shape and one.dtype == second[name].dtype and _same_bits(one, second[name])
        for name, one in first.items()
    )


def _same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    return (
        torch.equal(first.contiguous().view(torch.uint8), second.contiguous().view(torch.uint8))
        if first.ndim
        else bool(torch.equal(first, second))
    )


def _joined(parts: list[Any]) -> Any:
    """Outputs of batches -> one float32 array, or one for each output where the network names several."""
    if isinstance(parts[0], Mapping):
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}
    return np.concatenate([part.cpu().numpy() for part in parts])


def pth_info(checkpoint: str | os.PathLike[str]) -> dict[str, Any]:
    """Print a checkpoint's description, and return it as plain values. Raises CheckpointError."""
    from runtime.console import written_lines
    from runtime.session.describe import card_lines
    from toolkit.training.checkpoints.describe import describe_checkpoint

    content = Checkpoint.load(checkpoint)
    try:
        print(describe_checkpoint(Path(checkpoint))[1])
    except SpecError as error:  # a module of its maker's own that is not at hand: the card needs none
        print(written_lines([*card_lines(content.card), "", str(error)]))
    return {**content.card.to_dict(), "network": content.spec.to_dict()}
