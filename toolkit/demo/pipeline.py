"""The demo pipeline: pictures, train, export and verify, predict, embed, search, report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from runtime.atomic import atomic_write
from runtime.console import bytes_text, seconds_text
from runtime.errors import CheckFailed, InputError
from runtime.json_text import json_text
from runtime.model import Model, load
from runtime.picture_index import Neighbours, draw_neighbours, embed_pictures, open_picture_index, search_pictures
from runtime.preprocess.sources import images_in
from runtime.session.bench import bench
from toolkit.api.nn import nn
from toolkit.data.readers.digits import digit_pictures, load_digits
from toolkit.data.source import open_source
from toolkit.data.splits import split
from toolkit.demo.record import Demo, Step

__all__ = ["run_demo"]

_MARK = "demo.json"
_HELD_OUT_SHARE = 0.2
_NEIGHBOURS = 10


def run_demo(folder: Path, epochs: int, seed: int, report: Callable[[str], None] | None) -> Demo:
    """Run the whole pipeline in `folder`.

    Raises:
        InputError: the folder holds something that is not an earlier demo.
        CheckFailed: the file's labels differ from torch's on a held-out picture.
    """
    _claim(folder)
    demo = Demo(folder)
    say = report or (lambda _line: None)
    say(f"toolkit demo: 1,797 handwritten digits, everything goes into {folder}")
    _pictures(demo, seed)
    model = _train(demo, epochs, seed, report)
    _export(demo)
    opened = load(folder / "model.onnx", "cpu")
    _predict(demo, opened, model)
    _embed(demo, opened)
    _search(demo, opened)
    _bench(demo, opened)

    from toolkit.demo.report import write_report

    started = time.perf_counter()
    write_report(demo, folder / "report.html")
    _note(demo, "report", "report.html", "curves, confusion, predictions, neighbours", started)
    atomic_write(folder / _MARK, json_text(demo.to_dict(), indent=2))
    return demo


def _claim(folder: Path) -> None:
    """Take an empty folder, or clear what an earlier demo left; never touch anything else."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise InputError(
            f"{folder} is not empty, and no demo made it. Choose another folder with: toolkit demo -o FOLDER"
        )
    for name in ("pictures", "training", "index"):
        shutil.rmtree(folder / name, ignore_errors=True)
    atomic_write(folder / _MARK, "{}")


def _note(demo: Demo, name: str, what: str, measured: str, started: float) -> None:
    demo.steps.append(Step(name, what, measured, time.perf_counter() - started))


def _pictures(demo: Demo, seed: int) -> None:
    """Write the digits as PNG files, one folder per class, as a user's pictures would be."""
    started = time.perf_counter()
    pictures, labels = digit_pictures()
    parts = split(load_digits(), 1 - _HELD_OUT_SHARE, seed)
    for part, positions in (("train", parts.train), ("test", parts.validation)):
        for digit in range(10):
            (demo.folder / "pictures" / part / str(digit)).mkdir(parents=True, exist_ok=True)
        for position in positions.tolist():
            target = demo.folder / "pictures" / part / str(labels[position]) / f"{position:04d}.png"
            Image.fromarray(pictures[position]).save(target)
    demo.facts |= {"training_pictures": len(parts.train), "held_out_pictures": len(parts.validation)}
    _note(
        demo,
        "pictures",
        "PNG files, one folder a digit",
        f"{len(parts.train)} to train, {len(parts.validation)} held out",
        started,
    )


def _train(demo: Demo, epochs: int, seed: int, report: Callable[[str], None] | None) -> nn:
    started = time.perf_counter()
    model = nn("cls", demo.folder / "training")
    model.set_seed(seed)
    model.use(open_source(demo.folder / "pictures" / "train", color="grayscale"), batch_size=32, train_val_ratio=0.9)
    model.add("conv2d", size=(1, 16), kernel_size=3, padding=1, activation="relu")
    model.add("conv2d", size=32, kernel_size=3, padding=1, activation="relu")
    model.add("maxpool", kernel_size=2)
    model.add("conv2d", size=64, kernel_size=3, padding=1, activation="relu")
    model.add("maxpool", kernel_size=2)
    model.add("dropout", p=0.5)
    model.add("linear", size=64, activation="relu")
    model.add("linear", size=10, activation="softmax")
    model.add(optimizer="Adam")
    demo.summary = model.summary()
    if report:
        report(str(demo.summary))
    # The one-cycle schedule settles at its end, and so few validation pictures choose the best epoch by chance: the last
    # epoch's weights are the ones to keep here.
    demo.history = model.train(
        epochs=epochs, schedule="onecycle", filename=None, verbose=report is not None, report=report
    )
    assert model.card is not None
    demo.facts |= {"parameters": demo.summary.parameters, "measured": dict(model.card.training["measured"])}
    what = f"{demo.summary.parameters:,} parameters, {epochs} epochs"
    _note(demo, "train", what, f"validation accuracy {model.card.training['measured']['val_acc']:.2%}", started)
    return model


def _export(demo: Demo) -> None:
    started = time.perf_counter()
    demo.export = nn("cls").convert(demo.folder / "training" / "last.pth", demo.folder / "model.onnx", verbose=False)
    size = (demo.folder / "model.onnx").stat().st_size
    worst = demo.export.parity.worst_difference
    demo.facts |= {"model_bytes": size, "worst_difference": worst}
    _note(
        demo,
        "export",
        f"model.onnx, {bytes_text(size)}, card inside",
        f"verified: worst difference {worst:.1e}",
        started,
    )


def _predict(demo: Demo, opened: Model, model: nn) -> None:
    """Predict the held-out picture files with the exported file alone, and compare label by label with torch."""
    started = time.perf_counter()
    pictures = images_in(demo.folder / "pictures" / "test")
    demo.predictions = opened.predict([str(path) for path in pictures])
    seconds = time.perf_counter() - started
    demo.truth = [path.parent.name for path in pictures]
    accuracy = float(np.mean([found.label == true for found, true in zip(demo.predictions, demo.truth, strict=True)]))
    torch_labels = model.inference([str(path) for path in pictures]).argmax(1)
    agree = int(sum(found.index == label for found, label in zip(demo.predictions, torch_labels.tolist(), strict=True)))
    if agree != len(pictures):
        raise CheckFailed(f"The file and torch agree on {agree} of {len(pictures)} held-out pictures only.")
    demo.facts |= {"held_out_accuracy": accuracy, "agree_with_torch": agree, "predict_seconds": seconds}
    measured = f"held-out accuracy {accuracy:.2%}; torch agrees on {agree} of {len(pictures)}"
    _note(demo, "predict", f"{len(pictures)} held-out PNG files, by onnxruntime alone", measured, started)


def _embed(demo: Demo, opened: Model) -> None:
    started = time.perf_counter()
    result = embed_pictures(opened, images_in(demo.folder / "pictures" / "train"), demo.folder / "index")
    demo.facts |= {"index_vectors": result.total, "embedding_length": result.dim}
    _note(
        demo, "embed", f"{result.added} training pictures", f"{result.total} vectors of {result.dim} numbers", started
    )


def _search(demo: Demo, opened: Model) -> None:
    started = time.perf_counter()
    queries = images_in(demo.folder / "pictures" / "test")
    with open_picture_index(demo.folder / "index") as index:
        found = search_pictures(opened, index, queries, _NEIGHBOURS)
    shares = [
        np.mean([Path(name).parent.name == Path(entry.query).parent.name for name in entry.ids]) for entry in found
    ]
    share = float(np.mean(shares))
    # one query per digit
    demo.neighbours = [
        next(entry for entry in found if Path(entry.query).parent.name == str(digit)) for digit in range(10)
    ]
    draw_neighbours(
        [Neighbours(n.query, n.ids[:7], n.scores[:7], n.paths[:7]) for n in demo.neighbours[:4]],
        demo.folder / "neighbours.png",
    )
    demo.facts["neighbour_share"] = share
    measured = f"{share:.1%} of the nearest {_NEIGHBOURS} are the same digit"
    _note(demo, "search", f"{len(queries)} held-out pictures in the index", measured, started)


def _bench(demo: Demo, opened: Model) -> None:
    started = time.perf_counter()
    demo.timings = bench(opened.session, (1, 8, 32), seconds=0.3)
    demo.facts["timings"] = [timing.to_dict() for timing in demo.timings]
    first, last = demo.timings[0], demo.timings[-1]
    measured = (
        f"{seconds_text(first.median)} a picture; {last.rows_per_second:,.0f} a second in batches of {last.batch_size}"
    )
    _note(demo, "bench", "the file on this machine's processor", measured, started)
