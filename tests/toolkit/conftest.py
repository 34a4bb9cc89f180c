"""Small real data: digits as arrays and as PNG folders, and a table of three clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from toolkit.data.readers.digits import digit_pictures

torch.set_num_threads(1)  # the networks here are small; threads would only wait for each other


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """uint8 (200, 8, 8) digits and their labels."""
    pictures, labels = digit_pictures()
    return pictures[:200], labels[:200]


@pytest.fixture(scope="session")
def digit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve PNG files each of the digits 0, 1 and 2, in folders named zero, one and two."""
    root = tmp_path_factory.mktemp("digits")
    pictures, labels = digit_pictures()
    for label, name in enumerate(("zero", "one", "two")):
        (root / name).mkdir()
        for number, picture in enumerate(pictures[labels == label][:12]):
            Image.fromarray(picture).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV table: four measures of 20 flowers each of three kinds, whose names are in the last column."""
    path = tmp_path_factory.mktemp("flowers") / "flowers.csv"
    random = np.random.default_rng(0)
    centres = {"setosa": (5.0, 3.4, 1.5, 0.2), "versicolor": (5.9, 2.8, 4.3, 1.3), "virginica": (6.6, 3.0, 5.6, 2.0)}
    lines = ["sepal length,sepal width,petal length,petal width,kind"]
    for kind, centre in centres.items():
        for row in random.normal(centre, 0.15, (20, 4)):
            lines.append(",".join(f"{value:.2f}" for value in row) + f",{kind}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
