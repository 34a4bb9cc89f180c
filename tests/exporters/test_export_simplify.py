"""Simplifying: kept only where it is smaller and says the same; a simplifier that fails in any way changes nothing."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from exporters.subject import Subject
from exporters.verify import compare

simplify = importlib.import_module("exporters.simplify")
Traced = tuple[Subject, Path]
SIZES = (1, 2, 5)

# What a fake simplifier begins with: the model, and its last node that can be left out.
HEAD = """
import sys, onnx, numpy
from onnx import numpy_helper, helper
source, target, limit = sys.argv[1:]
model = onnx.load(source)
"""


@pytest.fixture
def padded(traced: Traced) -> Traced:
    """The traced file with two nodes more than it needs: plus zero, times one."""
    subject, path = traced
    model = onnx.load(path)
    first = model.graph.node[0]
    for operator, value in (("Add", 0.0), ("Mul", 1.0)):
        constant = f"constant_{operator}"
        model.graph.initializer.append(numpy_helper.from_array(np.full(1, value, np.float32), constant))
        name, first.input[0] = first.input[0], f"after_{operator}"
        model.graph.node.insert(0, onnx.helper.make_node(operator, [name, constant], [f"after_{operator}"]))
        first = model.graph.node[0]
    onnx.checker.check_model(model)
    onnx.save(model, path)
    compare(subject, path, SIZES)
    return subject, path


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put `body` in the place of the child that simplifies."""
    (tmp_path / "simplifier").mkdir()
    (tmp_path / "simplifier" / "simplify_child.py").write_text(body, encoding="utf-8")
    monkeypatch.setattr(simplify, "__file__", str(tmp_path / "simplifier" / "simplify.py"))


def nodes(path: Path) -> int:
    return len(onnx.load(path).graph.node)


def files(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())


def test_a_smaller_graph_that_says_the_same_is_kept(padded: Traced) -> None:
    subject, path = padded
    before = nodes(path)
    note = simplify.simplify(path, subject, SIZES)
    assert nodes(path) < before
    assert note == f"onnxsim removed {before - nodes(path)} nodes"
    assert compare(subject, path, SIZES).worst_difference < 1e-6
    assert files(path) == ["traced.onnx"]


def test_a_graph_with_nothing_to_remove_is_left_as_it_was(traced: Traced) -> None:
    subject, path = traced
    before = path.read_bytes()
    assert simplify.simplify(path, subject, SIZES) == "left as it was: onnxsim found nothing to remove"
    assert path.read_bytes() == before
    assert files(path) == ["traced.onnx"]


DROP = HEAD + "node = model.graph.node[-1]\nmodel.graph.node.remove(node)\n"
FAULTS = {
    "another result": (
        HEAD
        + """
# leaves the addition of zero out, and multiplies by two instead of one
model.graph.node.remove(model.graph.node[1])
model.graph.node[1].input[0] = model.graph.node[0].output[0]
for tensor in model.graph.initializer:
    if tensor.name == "constant_Mul":
        tensor.CopyFrom(numpy_helper.from_array(numpy.full(1, 2, numpy.float32), tensor.name))
onnx.save(model, target)
""",
        "onnxsim changed the results (The output",
    ),
    "another result at some batch sizes only": (
        HEAD
        + """
# the first two rows are right, the others are copies of the second
model.graph.node.remove(model.graph.node[1])
model.graph.node[1].input[0] = "rows"
model.graph.initializer.append(numpy_helper.from_array(numpy.array([1.0], numpy.float32), "one"))
model.graph.node[0].CopyFrom(helper.make_node("CumSum", ["input", "axis"], ["rows"]))
model.graph.initializer.append(numpy_helper.from_array(numpy.int64(0), "axis"))
onnx.save(model, target)
""",
        "onnxsim changed the results (The output",
    ),
    "a frozen batch": (
        HEAD
        + """
model.graph.node.remove(model.graph.node[1])
model.graph.node[1].input[0] = model.graph.node[0].output[0]
for value in (*model.graph.input, *model.graph.output):
    value.type.tensor_type.shape.dim[0].dim_value = 2
onnx.save(model, target)
""",
        "onnxsim changed an input, an output or a dynamic axis",
    ),
    "a lost output": (
        DROP + "model.graph.output.pop()\nonnx.save(model, target)",
        "onnxsim changed an input, an output",
    ),
    "an invalid graph": (DROP + "onnx.save(model, target)", "onnxsim changed the results ("),
    "noise": ("import sys\nopen(sys.argv[2], 'wb').write(b'noise' * 100)", "onnxsim wrote no model ("),
    "no file": ("", "onnxsim wrote no model ("),
    "an empty file": ("import sys\nopen(sys.argv[2], 'wb').close()", "onnxsim "),
    "an exception": ("raise ValueError('no such operator')", "onnxsim failed (ValueError: no such operator)"),
    "an exit code": ("import sys\nsys.exit(3)", "onnxsim failed (exit code 3)"),
    "a crash": ("import os\nos.abort()", "onnxsim failed ("),
    "a crash after writing": (HEAD + "onnx.save(model, target)\nimport os\nos.abort()", "onnxsim failed ("),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_simplifier_that_goes_wrong_changes_nothing(
    padded: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    subject, path = padded
    body, reason = FAULTS[fault]
    fake(tmp_path, monkeypatch, body)
    before = path.read_bytes()
    note = simplify.simplify(path, subject, SIZES)
    assert note.startswith(f"left as it was: {reason}")
    assert path.read_bytes() == before
    assert files(path) == ["traced.onnx"]


def test_a_simplifier_that_runs_too_long_is_ended(
    padded: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, path = padded
    fake(tmp_path, monkeypatch, HEAD + "onnx.save(model, target)\nimport time\ntime.sleep(600)")
    before = path.read_bytes()
    assert simplify.simplify(path, subject, SIZES, time_limit=1) == "left as it was: onnxsim took more than 1 s"
    assert path.read_bytes() == before
    assert files(path) == ["traced.onnx"]


def test_a_simplifier_that_eats_the_memory_ends_itself(padded: Traced) -> None:
    subject, path = padded
    before = path.read_bytes()
    note = simplify.simplify(path, subject, SIZES, memory_limit=2**26)
    assert note.startswith("left as it was: onnxsim failed (")
    assert path.read_bytes() == before


def test_the_tolerance_is_the_one_of_the_export(
    padded: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that the export would refuse is reverted rather than kept, and one that it allows is kept."""
    subject, path = padded
    body = FAULTS["another result"][0].replace("numpy.full(1, 2,", "numpy.full(1, 1.00001,")
    fake(tmp_path, monkeypatch, body)
    note = simplify.simplify(path, subject, SIZES, absolute=1e-9, relative=1e-7)
    assert note.startswith("left as it was: onnxsim changed the results")
    assert simplify.simplify(path, subject, SIZES, absolute=1.0) == "onnxsim removed 1 nodes"
