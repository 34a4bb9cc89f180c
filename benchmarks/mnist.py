"""MNIST, end to end: accuracy, agreement of the file with torch over 10,000 PNG files, and retrieval by embedding.

Usage: python benchmarks/mnist.py FOLDER_WITH_IDX_FILES
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from runtime.console import table
from toolkit import nn
from toolkit.data.readers.idx import find_idx, read_idx

TOOLKIT = str(Path(sys.executable).with_name("toolkit"))


def pictures(data: Path, part: str, folder: Path) -> None:
    """The idx pictures as PNG files in class folders."""
    found = find_idx(data, part)
    assert found is not None, f"{data} holds no {part} part"
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
    for number, (pixels, label) in enumerate(zip(*map(read_idx, found), strict=True)):
        Image.fromarray(pixels).save(folder / str(label) / f"{number:05d}.png", compress_level=1)


def toolkit(*arguments: object) -> str:
    """Run the command line and return what it printed."""
    return subprocess.run([TOOLKIT, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Train, export, predict, embed, search; print the figures."""
    data = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        trained = json.loads(
            toolkit("train", "--model", "lenet", "--data", data, "--epochs", 5, "-o", place / "run", "--json")
        )
        toolkit("export", place / "run" / "best.pth", "-o", place / "lenet.onnx")
        pictures(data, "test", place / "test")
        pictures(data, "train", place / "train")

        predicted = json.loads(toolkit("predict", place / "lenet.onnx", place / "test", "--top", 10, "--json"))[
            "predictions"
        ]
        network = nn("cls")
        expected = network.inference([entry["source"] for entry in predicted], checkpoint=place / "run" / "best.pth")
        found = np.array(
            [[by["probability"] for by in sorted(entry["top"], key=lambda by: int(by["label"]))] for entry in predicted]
        )
        agree = int((found.argmax(1) == expected.argmax(1)).sum())
        worst = float(np.abs(found - expected).max())

        toolkit("embed", place / "lenet.onnx", place / "train", "-o", place / "index")
        neighbours = json.loads(toolkit("search", place / "index", place / "test", "-k", 10, "--json"))
        folders = [[Path(near["id"]).parent.name for near in entry["neighbours"]] for entry in neighbours]
        shares = [
            np.mean([near == Path(entry["query"]).parent.name for near in names])
            for entry, names in zip(neighbours, folders, strict=True)
        ]
        same = exact_scan(place, neighbours)
    rows = [
        ("accuracy on 10,000 test pictures after 5 epochs", f"{trained['best']['test_acc']:.2%}"),
        ("labels of the file equal to torch's, over PNG files", f"{agree} of {len(predicted)}"),
        ("worst difference of a probability", f"{worst:.1e}"),
        ("share of the right digit among the 10 nearest of 60,000", f"{np.mean(shares):.4f}"),
        ("queries whose 10 neighbours equal an exact float64 scan", f"{same} of {len(neighbours)}"),
    ]
    print(table(("MNIST", "figure"), rows, right=(1,)))


def exact_scan(place: Path, neighbours: list[dict]) -> int:
    """How many queries have the neighbours that a float64 scan over all vectors finds, in its order."""
    import runtime
    from runtime.preprocess.sources import images_in

    model = runtime.load(place / "lenet.onnx", "cpu")
    files = images_in(place / "train")
    base = model.embed(files).astype(np.float64)
    queries = model.embed([entry["query"] for entry in neighbours]).astype(np.float64)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    names = [path.as_posix() for path in files]
    same = 0
    for start in range(0, len(queries), 500):
        scores = queries[start : start + 500] @ base.T
        near = np.argpartition(-scores, 10, axis=1)[:, :11]
        for row, entry in enumerate(neighbours[start : start + 500]):
            order = near[row][np.lexsort((near[row], -scores[row, near[row]]))][:10]
            same += [names[position] for position in order] == [by["id"] for by in entry["neighbours"]]
    return same


if __name__ == "__main__":
    main()
