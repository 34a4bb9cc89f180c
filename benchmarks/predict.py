"""A folder of JPEGs through one file: `runtime.load(...).predict(folder)` against onnxruntime and Pillow by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from interleaved import Result, interleave
from PIL import Image

import runtime

SIZE = (96, 96)


def jpegs(folder: Path, count: int, seed: int = 0) -> None:
    """Photo-like pictures of 640 x 480: smooth random colour with some grain."""
    random = np.random.default_rng(seed)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
            (640, 480), Image.Resampling.BICUBIC
        )
        grain = random.integers(-12, 13, (480, 640, 1))
        Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(
            folder / f"{number:04d}.jpg", quality=88
        )


def network(path: Path) -> None:
    """A small convolutional classifier with random weights, exported with its card."""
    import torch

    from exporters import export
    from runtime.card import ImageInput

    torch.manual_seed(0)
    layers = []
    for before, after in ((3, 16), (16, 32), (32, 64), (64, 96)):
        layers += [torch.nn.Conv2d(before, after, 3, stride=2, padding=1), torch.nn.ReLU()]
    module = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(96, 10))
    card = ImageInput("input", "RGB", SIZE, resize=SIZE, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    export(
        module,
        path,
        example=torch.randn(4, 3, *SIZE),
        task="classification",
        labels=[str(n) for n in range(10)],
        inputs=[card],
    )


def run(count: int = 128, rounds: int = 7) -> Result:
    """Seconds for `count` pictures, after both models are open; both give the same labels."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as place:
        folder, path = Path(place, "pictures"), Path(place, "model.onnx")
        folder.mkdir()
        jpegs(folder, count)
        network(path)
        files = sorted(folder.iterdir())
        model = runtime.load(path, "cpu")
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        mean = np.array([0.485, 0.456, 0.406], np.float32)
        std = np.array([0.229, 0.224, 0.225], np.float32)

        def ours() -> list[int]:
            return [found.index for found in model.predict(folder)]

        def by_hand() -> list[int]:
            labels = []
            for file in files:
                image = Image.open(file).convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR)
                array = (np.asarray(image, dtype=np.float32) / 255 - mean) / std
                probabilities = session.run(["probabilities"], {"input": array.transpose(2, 0, 1)[None]})[0]
                labels.append(int(probabilities.argmax()))
            return labels

        assert ours() == by_hand()
        return interleave({"toolkit": ours, "onnxruntime + Pillow by hand": by_hand}, rounds)
