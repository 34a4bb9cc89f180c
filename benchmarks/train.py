"""One epoch of training: our loop against loops by hand, Lightning, and BaseNN 2.0.0."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interleaved import Result, interleave
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset

from model_zoo import LeNet
from toolkit.builder.spec import LayerSpec, NetworkSpec, build
from toolkit.data.batching.batches import Batches
from toolkit.data.readers.arrays import pixels_dataset
from toolkit.data.readers.digits import digit_pictures
from toolkit.data.readers.idx import find_idx, read_idx
from toolkit.training.loop.loop import fit
from toolkit.training.settings import Settings

__all__ = ["run"]

BATCH = 64
SIZES = {"lenet": 28, "resnet18": 64}


class PerItem(Dataset):
    """What a tutorial writes: one picture at a time, as Pillow and torchvision's ToTensor do it."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        from torchvision import transforms

        self.pixels, self.labels, self.transform = pixels, labels, transforms.ToTensor()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def pictures(data: Path | None, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count, size, size) and labels: MNIST where it is given, else the bundled digits, enlarged to `size`."""
    found = find_idx(data, "train") if data else None
    if found:
        pixels, labels = read_idx(found[0])[:count], read_idx(found[1])[:count].astype(np.int64)
    else:
        pixels, labels = digit_pictures()
        repeat = -(-count // len(pixels))
        pixels, labels = np.tile(pixels, (repeat, 1, 1))[:count], np.tile(labels, repeat)[:count]
    if pixels.shape[1] != size:
        pixels = np.stack([np.asarray(Image.fromarray(picture).resize((size, size))) for picture in pixels])
    return pixels, labels


def network_of(name: str) -> torch.nn.Module:
    """Fresh weights, as the loops by hand train them."""
    if name == "lenet":
        return LeNet((1, 28, 28), 10)
    return build(_spec(name))


def _spec(name: str) -> NetworkSpec:
    if name == "lenet":
        return NetworkSpec((1, 28, 28), (LayerSpec("lenet", {"num_classes": 10}, "softmax"),))
    arguments = {"num_classes": 10, "in_channels": 1}
    return NetworkSpec((1, 64, 64), (LayerSpec("resnet18", arguments, None),))


def run(
    data: Path | None = None, name: str = "lenet", count: int = 20_000, rounds: int = 5, warm_up: int = 1
) -> Result:
    """Seconds for one epoch of `count` pictures; baselines that are not installed are left out."""
    pixels, labels = pictures(data, count, SIZES[name])
    names = tuple(map(str, range(10)))
    dataset = pixels_dataset(pixels[:, None], labels, names, "classification", "benchmark")
    inputs = torch.from_numpy(pixels).float().div(255).unsqueeze(1)
    targets = torch.from_numpy(labels)
    loader = DataLoader(PerItem(pixels, labels), batch_size=BATCH, shuffle=True)

    def ours() -> None:
        batches = Batches(dataset, batch_size=BATCH, shuffle=True, seed=0)
        settings = Settings("adam", "CrossEntropyLoss", ("acc",), seed=0, epochs=1, batch_size=BATCH)
        for _ in fit(build(_spec(name)), batches, None, settings):
            pass

    def by_hand() -> None:
        step = _hand_written(name)
        order = torch.randperm(len(inputs))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            step(inputs[chosen], targets[chosen])

    def data_loader() -> None:
        step = _hand_written(name)
        for batch, wanted in loader:
            step(batch, wanted)

    functions: dict[str, Callable[[], Any]] = {
        "toolkit": ours,
        "in-memory loop by hand": by_hand,
        "DataLoader loop, item by item": data_loader,
    }
    if importlib.util.find_spec("lightning"):
        functions["Lightning, TensorDataset"] = functools.partial(_lightning, name, inputs, targets)
    with contextlib.ExitStack() as stack:
        if importlib.util.find_spec("BaseNN") and importlib.util.find_spec("cv2"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            functions["BaseNN 2.0.0"] = _basenn(name, pixels, labels, folder)
        return interleave(functions, rounds, warm_up=warm_up)


def _hand_written(name: str) -> Callable[[torch.Tensor, torch.Tensor], None]:
    network = network_of(name).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loss_function = torch.nn.CrossEntropyLoss()

    def step(batch: torch.Tensor, wanted: torch.Tensor) -> None:
        loss = loss_function(network(batch), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _lightning(name: str, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    import logging

    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network_of(name)
            self.loss = torch.nn.CrossEntropyLoss()

        def training_step(self, batch: Any, _index: int) -> torch.Tensor:
            return self.loss(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    for logger in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Module(), DataLoader(TensorDataset(inputs, targets), batch_size=BATCH, shuffle=True))


def _basenn(name: str, pixels: np.ndarray, labels: np.ndarray, folder: Path) -> Callable[[], None]:
    """BaseNN reads pictures from a folder when it loads them; the epoch alone is measured."""
    with _silence():
        from BaseNN import nn

        for index, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
            place = folder / "pictures" / str(label)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(place / f"{index:05}.png")
        model = nn("cls")
        model.save_fold = str(folder)
        model.load_img_data(str(folder / "pictures"), color="grayscale", batch_size=BATCH)
        if name == "lenet":
            model.add("Conv2D", size=(1, 6), kernel_size=(5, 5), padding=2, activation="ReLU")
            model.add("MaxPool", kernel_size=(2, 2))
            model.add("Conv2D", size=(6, 16), kernel_size=(5, 5), activation="ReLU")
            model.add("MaxPool", kernel_size=(2, 2))
            model.add("Linear", size=(400, 120), activation="ReLU")
            model.add("Linear", size=(120, 84), activation="ReLU")
            model.add("Linear", size=(84, 10))
        else:
            model.add("Conv2D", size=(1, 64), kernel_size=(7, 7), stride=2, padding=3)
            model.add("BatchNorm2d", size=64, activation="ReLU")
            model.add("MaxPool", kernel_size=(3, 3), stride=2, padding=1)
            for before, after in ((64, 64), (64, 128), (128, 256), (256, 512)):
                model.add("Res_Block", size=(before, after), num_blocks=2, stride=1 if before == after else 2)
            model.add("AvgPool", kernel_size=(2, 2))
            model.add("Linear", size=(512, 10))
        model.add(optimizer="Adam")

    def train() -> None:
        with _silence():
            model.train(lr=0.001, epochs=1, metrics=[])

    return train


@contextlib.contextmanager
def _silence() -> Any:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        os.environ.setdefault("MPLBACKEND", "agg")
        yield
