"""Ctrl-C in the commands that run a file: it ends a run that would never end, and what is done until then is told and kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import runtime
from runtime.card import ImageInput, ModelCard, OutputCard
from runtime.errors import InputError, ModelFileError
from runtime.interruption import interruptible
from runtime.model import Model
from runtime.picture_index import embed_pictures
from runtime.session import Session
from runtime.session.bench import Timing, bench, measurements

TOOLKIT = Path(sys.executable).with_name("toolkit")


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file that takes pictures of 1 x 2 and adds up in a loop: as many times as the first pixel says, nearly for ever at 255."""
    card = ModelCard("embedding", (ImageInput("x", "grayscale", (1, 2), scale=1.0),), (OutputCard("y", "embedding"),))
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["a", "one"], ["b"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("a", TensorProto.FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("b", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Floor", ["most_"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["times_"], to=TensorProto.INT64),
        helper.make_node("Mul", ["times_", "million"], ["times"]),
        helper.make_node("Loop", ["times", "true", "flat"], ["y"], body=body),
    ]
    nodes.insert(2, helper.make_node("Div", ["most", "limit"], ["most_"]))
    constants = {"one": np.float32(1), "limit": np.float32(255), "million": np.int64(2**50), "true": np.array(True)}
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["n", 1, 1, 2])],
        [value("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"onnx_edge_toolkit.card": card.to_json()})
    onnx.save(model, tmp_path / "endless.onnx")
    return tmp_path / "endless.onnx"


def picture(path: Path, grey: int) -> Path:
    Image.fromarray(np.array([[grey, 1]], np.uint8)).save(path)
    return path


def stopped(*arguments: object, presses: int = 1) -> tuple[str, str]:
    """(standard output, standard error) of a command that is sent Ctrl-C once it runs its file; it exits with 130."""
    process = subprocess.Popen(
        [TOOLKIT, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        time.sleep(0.5)
        for _ in range(60):  # until the file's run keeps a processor busy
            before = _ticks(process.pid)
            time.sleep(0.25)
            if process.poll() is None and _is_running(process.pid) and _ticks(process.pid) - before > 5:
                break
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, (out, err)
    return out, err


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def _is_running(pid: int) -> bool:
    """The watcher is there, so that the file is open; its import is over."""
    names = [entry / "comm" for entry in Path(f"/proc/{pid}/task").iterdir()]
    return len(names) > 1


pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="a process's time is told by Linux")


def test_ctrl_c_ends_a_run_that_would_never_end(endless: Path, tmp_path: Path) -> None:
    white = picture(tmp_path / "white.png", 255)
    assert stopped("predict", endless, white)[1].endswith("0 of 1 inputs were predicted.\nStopped.\n")
    assert stopped("similarity", white, white, "--model", endless) == ("", "Stopped.\n")


def test_what_was_embedded_until_ctrl_c_is_kept(endless: Path, tmp_path: Path) -> None:
    pictures = [picture(tmp_path / f"{number:02}.png", 9) for number in range(40)]
    white = picture(tmp_path / "white.png", 255)
    _, err = stopped("embed", endless, *pictures, white, "-o", tmp_path / "index")
    assert "What was embedded until now is in" in err and err.endswith("Stopped.\n")
    with runtime.index.open(tmp_path / "index") as index:
        assert 0 < len(index) <= 40


def test_what_was_embedded_until_a_failure_is_kept(endless: Path, tmp_path: Path) -> None:
    model = runtime.load(endless, "cpu")
    found = [picture(tmp_path / f"{number}.png", number) for number in (3, 9)]

    class Breaking(Model):
        def embed_stream(self, items: Any, *, output: str | None = None) -> Iterator[Any]:
            yield from super().embed_stream(items, output=output)
            raise ModelFileError("the disk is gone")

    with pytest.raises(ModelFileError, match="the disk is gone"):
        embed_pictures(Breaking(model.session), found, tmp_path / "index")
    with runtime.index.open(tmp_path / "index") as index:
        assert len(index) == 2


def test_bench_tells_what_it_measured_where_a_batch_size_fails(onnx_file: Callable[..., Path], tmp_path: Path) -> None:
    """A file whose batch is called free and is none, as many from elsewhere."""
    path = onnx_file(
        [("Reshape", ["x", "s"], ["y"], {})], [("x", 1, ["n", 2])], [("y", 1, ["n", 2])], s=np.array([1, 2])
    )
    session = Session(path, "cpu")
    found = dict(measurements(session, (1, 4), seconds=0.001, warm_up=0.0))
    assert isinstance(found[1], Timing) and isinstance(found[4], ModelFileError)
    with pytest.raises(ModelFileError, match="failed while running"):
        bench(session, (1, 4), seconds=0.001, warm_up=0.0)
    done = subprocess.run(
        [TOOLKIT, "bench", path, "--batch", "4,1", "--seconds", "0.01", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    facts = json.loads(done.stdout)
    assert done.returncode == 2
    assert [entry["batch_size"] for entry in facts["timings"]] == [1]
    assert [entry["batch_size"] for entry in facts["failures"]] == [4]
    assert done.stderr.startswith("Error: 1 of 2 batch sizes could not be measured:\n  4: ")
    done = subprocess.run([TOOLKIT, "bench", path, "--batch", "4"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1


def test_inputs_that_no_memory_holds_are_not_made_up(onnx_file: Callable[..., Path]) -> None:
    shape = ["n", 10**6, 10**6]
    path = onnx_file([("Identity", ["x"], ["y"], {})], [("x", 1, shape)], [("y", 1, shape)])
    with pytest.raises(InputError, match="does not fit into memory"):
        bench(Session(path, "cpu"), (1,))


def test_other_handlers_of_ctrl_c_are_left_alone() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGINT, before)
    with interruptible():
        pass
    assert signal.set_wakeup_fd(-1) == -1
