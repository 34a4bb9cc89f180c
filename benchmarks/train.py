"""Training LeNet: our loop against PyTorch's DataLoader and against a loop written by hand over tensors in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from interleaved import Result, interleave
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from model_zoo import LeNet
from toolkit.builder.spec import LayerSpec, NetworkSpec, build
from toolkit.data.arrays import pixels_dataset
from toolkit.data.batches import Batches
from toolkit.data.digits import digit_pictures
from toolkit.data.idx import find_idx, load_idx, read_idx
from toolkit.training.loop import fit
from toolkit.training.settings import Settings

BATCH = 64


class PerItem(Dataset):
    """What a tutorial writes: one picture at a time, as Pillow and torchvision's ToTensor do it."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        from torchvision import transforms

        self.pixels, self.labels, self.transform = pixels, labels, transforms.ToTensor()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def pictures(data: Path | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count, 28, 28) and labels: MNIST where it is given, else the bundled digits enlarged."""
    found = find_idx(data, "train") if data else None
    if found:
        return read_idx(found[0])[:count], read_idx(found[1])[:count].astype(np.int64)
    small, labels = digit_pictures()
    large = np.stack([np.asarray(Image.fromarray(picture).resize((28, 28))) for picture in small])
    repeat = -(-count // len(large))
    return np.tile(large, (repeat, 1, 1))[:count], np.tile(labels, repeat)[:count]


def run(data: Path | None = None, count: int = 20_000, rounds: int = 7) -> Result:
    """Seconds for one epoch of `count` examples."""
    pixels, labels = pictures(data, count)
    dataset = load_idx(data, "train") if data and len(pixels) == 60_000 else None
    names = tuple(map(str, range(10)))
    dataset = dataset or pixels_dataset(pixels[:, None], labels, names, "classification", "benchmark")
    inputs = torch.from_numpy(pixels).float().div(255).unsqueeze(1)
    targets = torch.from_numpy(labels)

    def ours() -> None:
        network = build(NetworkSpec((1, 28, 28), (LayerSpec("lenet", {"num_classes": 10}, "softmax"),)))
        batches = Batches(dataset, batch_size=BATCH, shuffle=True, seed=0)
        settings = Settings("adam", "CrossEntropyLoss", ("acc",), seed=0, epochs=1, batch_size=BATCH)
        for _ in fit(network, batches, None, settings):
            pass

    def by_hand() -> None:
        network = LeNet((1, 28, 28), 10).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        loss_function = torch.nn.CrossEntropyLoss()
        order = torch.randperm(len(inputs))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            loss = loss_function(network(inputs[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    loader = DataLoader(PerItem(pixels, labels), batch_size=BATCH, shuffle=True)

    def data_loader() -> None:
        network = LeNet((1, 28, 28), 10).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        loss_function = torch.nn.CrossEntropyLoss()
        for batch, wanted in loader:
            loss = loss_function(network(batch), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return interleave(
        {"toolkit": ours, "in-memory loop by hand": by_hand, "DataLoader loop": data_loader}, rounds, warm_up=1
    )
