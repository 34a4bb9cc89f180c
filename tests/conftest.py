"""What the tests of the runtime and of the command line share: small real models, pictures and tables."""

from __future__ import annotations

import os
import signal

# The tests run in two processes: more threads within each, or within what they start, would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from warm_processes import TOOLKIT, WarmProcesses

from runtime.card import CARD_KEY, ImageInput, ModelCard, OutputCard
from toolkit.data.readers.digits import digit_pictures

# A job that a script began in the background ignores Ctrl-C, and so would the processes that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

LABELS = tuple(map(str, range(10)))
# Long chains of commands: begun last, one process of pytest would wait for the other at the end.
FIRST = ("test_readme.py", "test_end_to_end.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests; the others keep their order."""
    items.sort(key=lambda item: item.path.name not in FIRST)


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmProcesses]:
    """Commands in processes of their own that need not import torch first."""
    processes = WarmProcesses()
    yield processes
    processes.end()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of `toolkit demo`, and the JSON that it printed: README's first command, a real process.

    It takes a quarter of a minute, so it is made once for all of pytest's processes. Nothing may be changed in it.
    """
    from filelock import FileLock

    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # that of all processes
    place /= "readme"
    said = place / "said.json"
    with FileLock(place.with_suffix(".lock")):
        if not said.exists():
            place.mkdir(exist_ok=True)
            done = subprocess.run(
                [TOOLKIT, "demo", "--json"], cwd=place, capture_output=True, text=True, check=False, timeout=300
            )
            assert done.returncode == 0, done.stderr
            said.write_text(done.stdout, encoding="utf-8")
    return place / "demo", json.loads(said.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def digit_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of 8 x 8 digits, trained on the first 1,000 and exported by the toolkit; best.pth lies beside it."""
    import torch

    from toolkit import nn

    folder = tmp_path_factory.mktemp("digit_model")
    pictures, labels = digit_pictures()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the network is small; threads would only wait for each other
    try:
        model = nn("cls", save_fold=folder)
        model.set_seed(0)
        model.load_dataset(pictures[:1000, None], labels[:1000], classes=LABELS)
        model.add("conv2d", size=(1, 8), kernel_size=3, activation="relu")
        model.add("linear", size=(288, 16), activation="relu")
        model.add("linear", size=(16, 10), activation="softmax")
        model.train(lr=0.01, epochs=3, verbose=False, filename=None)
        model.convert(out_file=folder / "model.onnx")
    finally:
        torch.set_num_threads(threads)
    return folder / "model.onnx"


@pytest.fixture(scope="session")
def digit_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 digits that the model has not seen, as PNG files in the folders 0 to 9, ten in each."""
    root = tmp_path_factory.mktemp("digit_files")
    pictures, labels = digit_pictures()
    for digit in range(10):
        (root / str(digit)).mkdir()
        unseen = np.flatnonzero(labels[1000:] == digit)[:10] + 1000
        for number, position in enumerate(unseen):
            Image.fromarray(pictures[position]).save(root / str(digit) / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def broken_files(tmp_path_factory: pytest.TempPathFactory, digit_files: Path) -> Path:
    """97 good pictures and three broken ones in a flat folder: cut short, empty, and text."""
    root = tmp_path_factory.mktemp("broken_files")
    for number, file in enumerate(sorted(digit_files.rglob("*.png"))):
        (root / f"{number}.png").write_bytes(file.read_bytes())
    whole = (root / "20.png").read_bytes()
    (root / "20.png").write_bytes(whole[: len(whole) // 2])
    (root / "50.png").write_bytes(b"")
    (root / "80.png").write_text("not a picture", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two clusters far apart, named left and right."""
    path = tmp_path_factory.mktemp("table") / "points.csv"
    random = np.random.default_rng(0)
    lines = ["x,y,side"]
    for side, centre in (("left", (-20.0, 3.0)), ("right", (20.0, 5.0))):
        lines += [f"{x:.3f},{y:.3f},{side}" for x, y in random.normal(centre, 1.0, (20, 2))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def table_model(tmp_path_factory: pytest.TempPathFactory, table_file: Path) -> Path:
    """A classifier of the rows of `table_file`."""
    return _trained_on_table(tmp_path_factory.mktemp("table_model"), "cls", table_file, (2, 2), "softmax")


@pytest.fixture(scope="session")
def value_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with the value 2 a - b + 1 in its last column."""
    path = tmp_path_factory.mktemp("values") / "values.csv"
    rows = np.random.default_rng(0).normal(0.0, 1.0, (60, 2)).round(3)
    lines = ["a,b,value", *(f"{a},{b},{2 * a - b + 1:.6f}" for a, b in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def value_model(tmp_path_factory: pytest.TempPathFactory, value_file: Path) -> Path:
    """A regression of the values of `value_file`."""
    return _trained_on_table(tmp_path_factory.mktemp("value_model"), "reg", value_file, (2, 1), None)


def _trained_on_table(folder: Path, task: str, table: Path, size: tuple[int, int], activation: str | None) -> Path:
    from exporters import export
    from toolkit import nn

    model = nn(task, save_fold=folder)
    model.set_seed(0)
    model.load_tab_data(table)
    model.add("linear", size=size, activation=activation)
    model.train(lr=0.1, epochs=25, verbose=False, filename=None)
    export(folder / "last.pth", folder / "model.onnx", simplifier="none")
    return folder / "model.onnx"


OnnxFile = Callable[..., Path]


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> OnnxFile:
    """A function that writes a hand-made ONNX file.

    `nodes` are (operator, inputs, outputs, attributes); `inputs` and `outputs` are (name, element type, shape) or ready
    made; `card` is a ModelCard or the text to store as one; `constants` are arrays by name.
    """

    def write(
        nodes: Sequence[tuple[str, list[str], list[str], dict[str, Any]]],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        card: ModelCard | str | None = None,
        **constants: np.ndarray,
    ) -> Path:
        def values(entries: Sequence[Any]) -> list[Any]:
            return [helper.make_tensor_value_info(*entry) if isinstance(entry, tuple) else entry for entry in entries]

        graph = helper.make_graph(
            [helper.make_node(kind, takes, gives, **attributes) for kind, takes, gives, attributes in nodes],
            "hand_made",
            values(inputs),
            values(outputs),
            [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if card is not None:
            helper.set_model_props(model, {CARD_KEY: card.to_json() if isinstance(card, ModelCard) else card})
        path = tmp_path_factory.mktemp("onnx") / "model.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.fixture(scope="session")
def plain_model(onnx_file: OnnxFile) -> Path:
    """A file without a card: x (N, 3) -> double (N, 3), which is 2 x, and total (N), the sums of the rows of 2 x."""
    nodes = [
        ("Mul", ["x", "two"], ["double"], {}),
        ("ReduceSum", ["double", "axis"], ["total"], {"keepdims": 0}),
    ]
    outputs = [("double", TensorProto.FLOAT, ["N", 3]), ("total", TensorProto.FLOAT, ["N"])]
    return onnx_file(
        nodes,
        [("x", TensorProto.FLOAT, ["N", 3])],
        outputs,
        two=np.array([2.0], np.float32),
        axis=np.array([1], np.int64),
    )


@pytest.fixture(scope="session")
def colour_model(onnx_file: OnnxFile) -> Callable[..., Path]:
    """A function that makes a file which tells what a picture is full of: red, green or blue.

    embedding (N, 3) is the mean of each prepared channel, probabilities its softmax. Arguments change the card's input;
    `batch` fixes the batch size.
    """

    def make(batch: int | str = "N", **changes: Any) -> Path:
        entry = replace(ImageInput("picture", "RGB", (8, 8), resize=(8, 8)), **changes)
        outputs = (OutputCard("probabilities", "probabilities"), OutputCard("embedding", "embedding"))
        card = ModelCard("classification", (entry,), outputs, ("red", "green", "blue"))
        axes = [2, 3] if entry.layout == "NCHW" else [1, 2]
        nodes = [
            ("ReduceMean", ["picture"], ["embedding"], {"axes": axes, "keepdims": 0}),
            ("Softmax", ["embedding"], ["probabilities"], {"axis": 1}),
        ]
        return onnx_file(
            nodes,
            [("picture", TensorProto.FLOAT, [batch, *entry.shape])],
            [("probabilities", TensorProto.FLOAT, [batch, 3]), ("embedding", TensorProto.FLOAT, [batch, 3])],
            card,
        )

    return make
