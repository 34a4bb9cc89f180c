"""TensorBoard event files: curves, weight histograms, the network's graph, samples and embeddings."""

from __future__ import annotations

import copy
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from runtime.card import ImageInput
from runtime.errors import MissingPackageError
from toolkit.data.batching.batches import Batches

if TYPE_CHECKING:
    from toolkit.training.loop.state import Training

__all__ = ["TensorBoard"]

_PICTURES = 16
_POINTS = 500


class TensorBoard:
    """Callback that writes TensorBoard event files; view them with ``tensorboard --logdir FOLDER``.

    Scalars: loss and each metric (``train`` and ``validation``), the learning rate, the seconds per epoch. Histograms: every
    parameter after each epoch. Once: samples of the inputs where they are pictures, the graph, and at the end the
    embedding projector with the inputs of the last layer that has weights.

    Args:
        folder: folder of the event files.
        shown: the batches whose examples are shown.

    Raises:
        MissingPackageError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path, shown: Batches) -> None:
        if find_spec("tensorboard") is None:
            raise MissingPackageError("tensorboard=True", "tensorboard", "tensorboard")
        self.folder, self.shown = folder, shown
        self._writer: Any = None

    def on_train_begin(self, training: Training) -> None:
        """Open the files; on the first start, show samples and the graph."""
        from torch.utils.tensorboard import SummaryWriter

        # what an earlier run wrote after the checkpoint it is resumed from is left out
        self._writer = SummaryWriter(str(self.folder), purge_step=training.epoch + 1 if training.epoch else None)
        if training.epoch == 0 and training.running.batch == 0:
            self._add_pictures()
            self._add_graph(training)

    def on_epoch_end(self, training: Training) -> None:
        """Write the epoch's values and weights."""
        entry = training.history[-1]
        epoch = len(training.history)
        for name, value in entry.items():
            if name in ("lr", "seconds"):
                self._writer.add_scalar(name, value, epoch)
            elif name != "epoch":
                part = "validation" if name.startswith("val_") else "train"
                self._writer.add_scalar(f"{name.removeprefix('val_')}/{part}", value, epoch)
        for name, parameter in training.result.named_parameters():
            if parameter.numel():
                self._writer.add_histogram(name, parameter.detach(), epoch)
        self._writer.flush()

    def on_train_end(self, training: Training) -> None:
        """Write the projector's points."""
        self._add_points(training)

    def close(self) -> None:
        """Close the files, also after a training that failed."""
        if self._writer is not None:
            self._writer.close()

    @property
    def _is_picture(self) -> bool:
        card = self.shown.data.card
        return isinstance(card, ImageInput) and card.layout == "NCHW" and self.shown.data.views == 1

    def _inputs(self, count: int) -> torch.Tensor:
        """The first prepared inputs (n, ...), of several views the first."""
        inputs = self.shown.data.inputs.take(torch.from_numpy(self.shown.indices[:count]))
        return inputs[:, 0] if self.shown.data.views > 1 else inputs

    def _add_pictures(self) -> None:
        if self._is_picture:
            from torchvision.utils import make_grid

            self._writer.add_image(
                "samples", make_grid(self._inputs(_PICTURES), nrow=4, normalize=True, scale_each=True)
            )

    def _add_graph(self, training: Training) -> None:
        """Add the graph as torch traces it; for a network that cannot be traced, a text instead."""
        network = copy.deepcopy(training.network).cpu().eval()
        try:
            with torch.random.fork_rng(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of tracing, which is good enough for a picture
                self._writer.add_graph(network, self._inputs(2))
        except Exception as error:  # tracing runs the user's own code
            self._writer.add_text("graph", f"The network could not be traced: {' '.join(str(error).split())[:300]}")

    def _add_points(self, training: Training) -> None:
        """Add embedding points: the inputs of the last layer with weights, for some examples, with their labels."""
        network, data = training.result, self.shown.data
        layers = [module for module in network.modules() if list(module.parameters(recurse=False))]
        device = next(network.parameters()).device
        seen: list[torch.Tensor] = []
        handle = layers[-1].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach()))
        was_training = network.training
        network.eval()
        inputs = self._inputs(_POINTS)
        with handle, torch.inference_mode():
            for part in torch.split(inputs, 100):
                network(part.to(device))
        network.train(was_training)
        rows = torch.cat(seen).cpu()
        if not rows.is_floating_point() or len(rows) != len(inputs):
            return  # tokens, or a layer that is used several times, are no points
        labels = (
            [data.labels[int(target)] for target in self.shown.targets()[: len(rows)]]
            if data.task == "classification"
            else None
        )
        pictures = None
        if self._is_picture:
            low = inputs.amin((1, 2, 3), keepdim=True)
            pictures = (inputs - low) / (inputs.amax((1, 2, 3), keepdim=True) - low).clamp(min=1e-6)
        self._writer.add_embedding(
            rows.flatten(1), metadata=labels, label_img=pictures, global_step=len(training.history), tag="features"
        )
