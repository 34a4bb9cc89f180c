"""Simplifying: kept only where it is smaller and says the same; a simplifier that fails in any way changes nothing."""

from __future__ import annotations

import importlib
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from exporters.isolation.limited_process import run_limited
from exporters.settings import STRICT, Tolerance
from exporters.subject.subject import Subject
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import References, compare

simplify = importlib.import_module("exporters.simplifying.simplify")
Traced = tuple[Subject, Path]

# What a fake simplifier begins with: the model, and its last node that can be left out.
HEAD = """
import sys, onnx, numpy
from onnx import numpy_helper, helper
simplifier, source, target = sys.argv[1:4]
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
    compare(references(subject), path)
    return subject, path


def references(subject: Subject) -> References:
    return References(subject, make_probes(subject))


def run(
    subject: Subject, path: Path, *, tolerance: Tolerance = STRICT, simplifier: str = "onnxsim", **limits: Any
) -> Any:
    return simplify.simplify(
        path, references(subject), tolerance, simplifier=simplifier, limits=simplify.Limits(**limits)
    )


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put `body` in the place of the child that simplifies."""
    (tmp_path / "simplifier").mkdir()
    (tmp_path / "simplifier" / "simplify_child.py").write_text(body, encoding="utf-8")
    monkeypatch.setattr(simplify, "__file__", str(tmp_path / "simplifier" / "simplify.py"))


def nodes(path: Path) -> int:
    return len(onnx.load(path).graph.node)


def files(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())


@pytest.mark.parametrize("simplifier", ["onnxsim", "onnxslim"])
def test_a_smaller_graph_that_says_the_same_is_kept(padded: Traced, simplifier: str) -> None:
    subject, path = padded
    before = nodes(path)
    result = run(subject, path, simplifier=simplifier)
    assert nodes(path) < before
    assert result.note == f"{simplifier} removed {before - nodes(path)} nodes"
    assert result.facts["kept"] == simplifier
    assert result.parity == compare(references(subject), path)
    assert result.parity.worst_difference < 1e-6
    assert files(path) == ["traced.onnx"]


def test_names_of_axes_metadata_and_versions_stay(padded: Traced) -> None:
    subject, path = padded
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"author": "somebody"})
    onnx.save(model, path)
    assert run(subject, path).parity is not None
    after = onnx.load(path)
    assert [(entry.key, entry.value) for entry in after.metadata_props] == [("author", "somebody")]
    assert (after.ir_version, after.opset_import) == (model.ir_version, model.opset_import)
    assert [*after.graph.input, *after.graph.output] == [*model.graph.input, *model.graph.output]


def test_a_graph_with_nothing_to_remove_is_left_as_it_was(traced: Traced) -> None:
    subject, path = traced
    before = path.read_bytes()
    result = run(subject, path, simplifier="auto")
    assert result.note == "left as it was: onnxsim found nothing to remove"
    assert result.parity is None
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
        "onnxsim changed the type or an axis of the input 'input'",
    ),
    "a lost output": (
        DROP + "model.graph.output.pop()\nonnx.save(model, target)",
        "onnxsim changed an output: ",
    ),
    "an invalid graph": (DROP + "onnx.save(model, target)", "onnxsim wrote a file that onnxruntime does not run ("),
    "more nodes": (
        HEAD + "model.graph.node.append(helper.make_node('Identity', ['input'], ['unused']))\nonnx.save(model, target)",
        "onnxsim added 1 node",
    ),
    "other versions": (
        HEAD
        + "model.graph.node.remove(model.graph.node[1])\nmodel.graph.node[1].input[0] = model.graph.node[0].output[0]\n"
        + "model.opset_import[0].version -= 1\nonnx.save(model, target)",
        "onnxsim changed the operator sets",
    ),
    "much larger constants": (
        HEAD
        + "model.graph.initializer.append(numpy_helper.from_array(numpy.zeros(10**6, numpy.float32), 'big'))\n"
        + "onnx.save(model, target)",
        "onnxsim made 4.0 MB out of",
    ),
    "noise": ("import sys\nopen(sys.argv[3], 'wb').write(b'noise' * 100)", "onnxsim wrote no model ("),
    "no file": ("", "onnxsim wrote no model ("),
    "an empty file": ("import sys\nopen(sys.argv[3], 'wb').close()", "onnxsim "),
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
    result = run(subject, path)
    assert result.note.startswith(f"left as it was: {reason}")
    assert result.parity is None
    assert path.read_bytes() == before
    assert files(path) == ["traced.onnx"]


def test_where_one_simplifier_goes_wrong_the_other_is_asked(
    padded: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, path = padded
    real = Path(simplify.__file__).with_name("simplify_child.py").read_text(encoding="utf-8")
    broken = real.replace(
        "def main() -> None:",
        "def main() -> None:\n    if sys.argv[1] == 'onnxsim':\n        raise SystemExit('broken')",
    )
    fake(tmp_path, monkeypatch, broken)
    result = run(subject, path, simplifier="auto")
    assert result.note == "onnxslim removed 2 nodes; onnxsim failed (broken)"
    assert [entry["simplifier"] for entry in result.facts["tried"]] == ["onnxslim", "onnxsim"]


def test_metadata_that_a_simplifier_loses_keeps_the_file_as_it_was(
    padded: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, path = padded
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"author": "somebody"})
    onnx.save(model, path)
    fake(
        tmp_path,
        monkeypatch,
        HEAD
        + "model.graph.node.remove(model.graph.node[1])\nmodel.graph.node[1].input[0] = model.graph.node[0].output[0]\n"
        "del model.metadata_props[:]\nonnx.save(model, target)",
    )
    assert run(subject, path).note == "left as it was: onnxsim changed or lost the metadata author"
    assert onnx.load(path) == model


def test_a_simplifier_that_runs_too_long_is_ended(
    padded: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, path = padded
    monkeypatch.setattr(simplify, "LEAST_SECONDS", 0.5)
    fake(tmp_path, monkeypatch, HEAD + "onnx.save(model, target)\nimport time\ntime.sleep(600)")
    before = path.read_bytes()
    assert run(subject, path, seconds=1.0).note.startswith("left as it was: onnxsim took more than 1 s")
    assert path.read_bytes() == before
    assert files(path) == ["traced.onnx"]


EATER = """
import time
hoard = []
for _ in range(600):
    hoard.append(bytearray(b"x" * 20_000_000))
    time.sleep(0.005)
"""


def test_a_simplifier_that_eats_the_memory_is_ended(
    padded: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, path = padded
    fake(tmp_path, monkeypatch, EATER)
    before = path.read_bytes()
    note = run(subject, path, memory_bytes=200_000_000 - 8 * len(before)).note
    assert note == "left as it was: onnxsim took more than 200.0 MB of memory"
    assert path.read_bytes() == before


def test_a_limit_of_addresses_ends_the_child_from_within(padded: Traced) -> None:
    subject, path = padded
    note = run(subject, path, address_space_bytes=2**26).note
    assert note.startswith("left as it was: onnxsim failed (")


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    body = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time, pathlib; time.sleep(1.5); pathlib.Path({str(mark)!r}).touch()"])
time.sleep(600)
"""
    outcome = run_limited([sys.executable, "-c", body], seconds=0.7, memory_bytes=2**40)
    assert outcome.ended_by == "time"
    time.sleep(1.5)
    assert not mark.exists()


@pytest.mark.slow
def test_a_constant_of_2_to_the_34_elements_ends_within_a_minute_and_3_gb(traced: Traced) -> None:
    """The file is left as it was. What the parent adds to the child's memory is its own, which does not grow."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    subject, path = traced
    model = onnx.load(path)
    zeros = numpy_helper.from_array(np.zeros(1, np.float32))
    for name, values in (("long", [2**34]), ("first", [0]), ("fourth", [4])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    model.graph.node.extend(
        [
            onnx.helper.make_node("ConstantOfShape", ["long"], ["vast"], value=zeros),
            onnx.helper.make_node("Slice", ["vast", "first", "fourth"], ["four"]),
            onnx.helper.make_node("Add", ["input", "four"], ["also"]),
        ]
    )
    model.graph.output.append(onnx.helper.make_tensor_value_info("also", onnx.TensorProto.FLOAT, ["batch", 4]))
    onnx.save(model, path)
    before = path.read_bytes()
    started = time.monotonic()
    result = run(subject, path, simplifier="auto")
    assert time.monotonic() - started < 60
    assert "onnxsim took more than 1.5 GB of memory" in result.note
    assert path.read_bytes() == before
    assert max(entry["peak_bytes"] for entry in result.facts["tried"]) < 2.2e9  # seen 20 ms apart
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < own + 200_000  # kilobytes


def test_the_tolerance_is_the_one_of_the_export(
    padded: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that the export would refuse is reverted rather than kept, and one that it allows is kept."""
    subject, path = padded
    body = FAULTS["another result"][0].replace("numpy.full(1, 2,", "numpy.full(1, 1.00001,")
    fake(tmp_path, monkeypatch, body)
    assert run(subject, path, tolerance=Tolerance(1e-9, 1e-7)).note.startswith(
        "left as it was: onnxsim changed the results"
    )
    assert run(subject, path, tolerance=Tolerance(1.0)).note == "onnxsim removed 1 node"
