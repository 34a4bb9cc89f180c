"""One answer: what inference, the exported file and the metrics say of a network is the same, for every loss of every task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_losses_data import classes, counts, labels, numbers, pairs, pixels, shares, steps, transcripts, triplets

import runtime
from exporters import export
from runtime.errors import SpecError
from toolkit import nn
from toolkit.data.dataset import Dataset
from toolkit.data.source import Source
from toolkit.tasks.registry import find_task, task_names
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.evaluation import evaluate
from toolkit.training.losses import LOSSES

torch.set_num_threads(1)

ENDINGS = (None, "softmax", "logsoftmax", "sigmoid")
NATURAL = {
    "logits": "softmax",
    "log-probabilities": "logsoftmax",
    "probabilities": "sigmoid",
}  # by the outputs a loss takes
# Data whose targets a loss takes, where those of its task are of another form; options that change what the outputs are.
DATA: dict[tuple[str, str], Callable[[], Dataset]] = {
    ("regression", "PoissonNLLLoss"): counts,
    ("regression", "BCELoss"): shares,
    ("regression", "KLDivLoss"): shares,
    ("regression", "GaussianNLLLoss"): lambda: numbers(targets=2),
    ("dense", "CTCLoss"): transcripts,
    ("embedding", "TripletMarginLoss"): triplets,
    ("embedding", "TripletMarginWithDistanceLoss"): triplets,
}
USUAL: dict[str, Callable[[], Dataset]] = {
    "classification": classes,
    "multilabel": labels,
    "regression": numbers,
    "dense": steps,
    "embedding": pairs,
}
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {"PoissonNLLLoss": ({}, {"log_input": False})}


def width(loss: str, data: Dataset) -> int:
    """Numbers that the last layer gives."""
    entry = LOSSES[loss]
    if entry.output == "scores":
        return 3 if data.task == "classification" else 1
    if entry.output == "vectors":
        return 5
    count = len(data.labels)
    return 2 * count if entry.output == "means and variances" else count


def cases() -> Iterator[Any]:
    for task in task_names():
        for loss in find_task(task).losses:
            for options in OPTIONS.get(loss, ({},)):
                for ending in ENDINGS:
                    usual = ending in (None, NATURAL.get(LOSSES[loss].output))
                    marks = () if usual else pytest.mark.exhaustive
                    yield pytest.param(
                        task, loss, options, ending, id=f"{task}-{loss}-{ending}-{len(options)}", marks=marks
                    )
    yield pytest.param("pixels", "CrossEntropyLoss", {}, None, id="pixels")
    yield pytest.param("pixels", "CrossEntropyLoss", {}, "softmax", id="pixels-softmax")


def trained(task: str, loss: str, options: dict[str, Any], ending: str | None, folder: Path) -> Any:
    """A network after a short training, or None where the loss does not take a network with this ending."""
    data = pixels() if task == "pixels" else DATA.get((task, loss), USUAL.get(task, classes))()
    model = nn(data.task, folder)
    model.set_seed(3)
    model.use(Source(data), batch_size=4, train_val_ratio=1.0)
    count = width(loss, data)
    if task == "pixels":
        model.add("conv2d", size=(2, count), kernel_size=3, padding=1, activation=ending)
    else:
        steps_too = {"flatten": False} if task == "dense" else {}
        model.add("linear", size=(4, count), activation=ending, **steps_too)
    if ending == "logsoftmax" and "Poisson" in loss:  # rates of a distribution's logarithms are no counts
        return None
    try:
        model.train(epochs=1, lr=0.05, loss={"name": loss, **options}, metrics=[], verbose=False, filename=None)
    except SpecError:
        return None
    return model


def said(results: list[Any]) -> np.ndarray:
    """The numbers of typed results, (N, ...)."""
    first = results[0]
    for name in ("probabilities", "values", "classes"):
        if hasattr(first, name):
            return np.stack([getattr(result, name) for result in results])
    raise AssertionError(first)


@pytest.mark.parametrize(("task", "loss", "options", "ending"), list(cases()))
def test_inference_the_file_and_the_metrics_say_the_same(
    task: str, loss: str, options: dict[str, Any], ending: str | None, tmp_path: Path
) -> None:
    model = trained(task, loss, options, ending, tmp_path / "run")
    if model is None:
        return
    data = model.batches[0].data
    inputs = data.inputs.take(torch.arange(len(data))).numpy()
    rows = inputs.reshape(-1, *data.shape)  # of pairs and triplets, each view by itself
    inferred = model.inference(rows)
    checkpoint = tmp_path / "run" / "last.pth"
    export(checkpoint, tmp_path / "m.onnx", simplifier="none")
    opened = runtime.load(tmp_path / "m.onnx", "cpu")
    assert opened.card is not None
    kind = opened.card.task
    if isinstance(inferred, dict):
        given = opened.run({opened.inputs[0].name: rows})
        assert sorted(inferred) == ["values", "variances"]
        for name, array in inferred.items():
            np.testing.assert_allclose(given[name], array, rtol=1e-4, atol=1e-5)
        assert (inferred["variances"] > 0).all()
        inferred = inferred["values"]
    if kind == "embedding":
        np.testing.assert_allclose(opened.embed(rows), inferred, rtol=1e-4, atol=1e-5)
        return
    results = opened.predict(rows)
    found = said(results)
    if kind in ("multilabel", "regression"):
        np.testing.assert_allclose(found, inferred, rtol=1e-4, atol=1e-5)
    elif kind == "classification":
        assert [result.index for result in results] == inferred.argmax(1).tolist()
    else:
        axis = 2 if inferred.ndim == 3 else 1
        np.testing.assert_array_equal(found, inferred.argmax(axis))
    # what the metrics of the training say of the data is what follows from the file's answers
    metrics = [name for name in ("acc", "mae") if name in find_task(kind).metrics and loss != "CTCLoss"][:1]
    setting = Checkpoint.load(checkpoint).card.training["loss"]
    measured = evaluate(Checkpoint.load(checkpoint).network(), model.batches[0], setting, metrics)
    targets = data.targets
    if "mae" in metrics and kind == "regression":
        assert measured["mae"] == pytest.approx(float(np.abs(found - targets).mean()), rel=1e-4)
    elif kind == "multilabel":
        assert measured["acc"] == pytest.approx(float(((found > 0.5) == (targets > 0.5)).mean()))
    elif kind == "classification" and "acc" in measured:
        assert measured["acc"] == pytest.approx(float((found.argmax(1) == targets).mean()))
    elif kind == "dense" and "acc" in measured:
        counted = targets != -100
        assert measured["acc"] == pytest.approx(float((found == targets)[counted].mean()))


def test_every_loss_of_every_task_is_taken_by_some_network(tmp_path: Path) -> None:
    for task in task_names():
        for loss in find_task(task).losses:
            some = any(
                trained(task, loss, {}, ending, tmp_path / f"{task}-{loss}-{ending}") is not None for ending in ENDINGS
            )
            assert some, (task, loss)
