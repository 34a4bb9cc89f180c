"""Names of targets, what they open, and whether a file from elsewhere is for them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from exporters.targets import check_target, every_target, find_target, runs_on
from exporters.targets.runtimes import ONNXRUNTIME_RELEASES
from runtime.errors import CheckFailed, ModelFileError, SpecError


def model(
    *nodes: onnx.NodeProto, opset: int = 17, ir_version: int = 8, element: int = TensorProto.FLOAT, domain: str = ""
) -> onnx.ModelProto:
    """x (n, 4) -> y (n, 4) through the given nodes."""
    value = [helper.make_tensor_value_info(name, element, ["n", 4]) for name in "xy"]
    graph = helper.make_graph(list(nodes), "graph", value[:1], value[1:])
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


@pytest.fixture
def gelu(tmp_path: Path) -> Path:
    """A file with one operator that came with opset 20."""
    path = tmp_path / "gelu.onnx"
    onnx.save(model(helper.make_node("Gelu", ["x"], ["y"]), opset=20, ir_version=9), path)
    return path


@pytest.mark.parametrize(
    ("text", "opset", "ir_version"),
    [
        ("onnxruntime==1.13", 17, 8),
        ("onnxruntime==1.13.1", 17, 8),
        (" OnnxRuntime >= 1.16 ", 19, 9),
        ("onnxruntime~=1.5", 12, 7),
        ("onnxruntime-web==1.17.1", 20, 9),
        ("jetson-nano", 13, 7),
        ("tensorrt==8.6.1", 17, 8),
        ("windows-10-2004", 9, 4),
        ("raspberry-pi-os-trixie", 22, 10),
    ],
)
def test_a_target_is_found_by_its_name(text: str, opset: int, ir_version: int) -> None:
    found = find_target(text)
    assert (found.opset, found.ir_version) == (opset, ir_version)
    assert found.source


def test_without_a_version_the_newest_known_is_meant() -> None:
    newest = ONNXRUNTIME_RELEASES[max(ONNXRUNTIME_RELEASES)]
    assert (find_target("onnxruntime").opset, find_target("onnxruntime-gpu").opset) == (newest.opset, newest.opset)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("onnxruntime==1.99", "onnxruntime==1.5 to onnxruntime==1."),
        ("onnxruntime==9", "first two numbers"),
        ("raspberry", "raspberry-pi-os-trixie"),
        ("jetson", "Did you mean 'jetson-nano'"),
        ("tensorrt==9", "tensorrt==8.6"),
        ("", "--opset N --ir-version N"),
        ("onnxruntime<=1.3", "Did you mean"),
        ("==", "Known names"),
    ],
)
def test_an_unknown_target_suggests(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_target(text)
    assert words in str(caught.value)


def test_releases_never_open_less_than_those_before() -> None:
    releases = [ONNXRUNTIME_RELEASES[version] for version in sorted(ONNXRUNTIME_RELEASES)]
    for before, after in itertools.pairwise(releases):
        assert before.opset <= after.opset
        assert before.ir_version <= after.ir_version
        assert before.ml_opset <= after.ml_opset


def test_every_target_has_a_name_of_its_own_a_source_and_versions_that_belong_together() -> None:
    targets = every_target()
    assert len({target.name for target in targets}) == len(targets)
    for target in targets:
        assert find_target(target.name) == target
        assert target.source
        assert target.oldest_opset <= target.opset
        # the IR version is at least the one of the ONNX release which brought the opset
        assert target.ir_version >= helper.find_min_ir_version_for([helper.make_opsetid("", target.opset)])


def test_the_installed_runtime_opens_what_the_table_says(tmp_path: Path) -> None:
    major, minor = map(int, onnxruntime.__version__.split(".")[:2])
    release = ONNXRUNTIME_RELEASES.get((major, minor))
    assert release is not None, (
        "a newer onnxruntime: measure it with benchmarks/old_runtimes.py and add it to the table"
    )
    node = helper.make_node("Relu", ["x"], ["y"])
    newest = model(node, opset=release.opset, ir_version=release.ir_version)
    onnxruntime.InferenceSession(newest.SerializeToString(), providers=["CPUExecutionProvider"])
    for newer in (
        model(node, opset=release.opset + 1, ir_version=release.ir_version),
        model(node, opset=release.opset, ir_version=release.ir_version + 1),
    ):
        with pytest.raises(Exception, match=r"(?i)opset|IR_VERSION|ir version"):
            onnxruntime.InferenceSession(newer.SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_file_that_is_too_new_is_told_why_and_what_to_do(gelu: Path) -> None:
    found = check_target(gelu, "onnxruntime==1.13")
    assert not found.passed
    assert [words in " ".join(found.problems) for words in ("opset 20", "IR version 9", "Gelu (1)")] == [True] * 3
    assert found.remedy == "Export the network again with --target onnxruntime==1.13, which writes opset 17."
    assert found.to_dict()["passed"] is False
    with pytest.raises(CheckFailed, match=r"onnxruntime==1\.13 would refuse the file"):
        found.require()


def test_a_file_that_fits_passes(gelu: Path) -> None:
    found = check_target(gelu, "onnxruntime>=1.17")
    assert found.passed
    assert found.remedy == ""
    found.require()
    assert "every operator is allowed" in str(found)


def test_an_operator_without_a_counterpart_is_said(tmp_path: Path) -> None:
    path = tmp_path / "bits.onnx"
    onnx.save(model(helper.make_node("BitwiseNot", ["x"], ["y"]), opset=18, element=TensorProto.INT32), path)
    found = check_target(path, "onnxruntime==1.13")
    assert "BitwiseNot came with opset 18" in found.remedy


def test_operators_of_other_sets_are_only_where_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    onnx.save(model(helper.make_node("QuickGelu", ["x"], ["y"], domain="com.microsoft"), domain="com.microsoft"), path)
    assert check_target(path, "onnxruntime==1.13").passed
    assert "com.microsoft.QuickGelu (1)" in " ".join(check_target(path, "tensorrt==8.6").problems)
    assert not any(name.startswith("tensorrt") for name in runs_on(onnx.load(path)))


def test_an_operator_of_a_set_that_the_file_does_not_name_is_a_problem_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    onnx.save(model(helper.make_node("Thing", ["x"], ["y"], domain="my.domain")), path)
    assert "my.domain.Thing (1)" in " ".join(check_target(path, "onnxruntime==1.13").problems)


def test_a_reshape_that_some_releases_refuse_is_found(tmp_path: Path) -> None:
    shape = helper.make_node("Constant", [], ["s"], value_ints=[-1, 4])
    found = model(shape, helper.make_node("Reshape", ["x", "s"], ["y"], allowzero=1), opset=14, ir_version=7)
    path = tmp_path / "reshape.onnx"
    onnx.save(found, path)
    assert "allowzero=1 beside a length of -1 (1)" in " ".join(check_target(path, "onnxruntime==1.9").problems)
    assert check_target(path, "onnxruntime==1.11").passed
    assert runs_on(found)[0] == "onnxruntime>=1.11"


def test_types_that_an_older_operator_does_not_take_are_found(tmp_path: Path) -> None:
    path = tmp_path / "integers.onnx"
    onnx.save(model(helper.make_node("Relu", ["x"], ["y"]), opset=13, element=TensorProto.INT32), path)
    assert "Relu of tensor(int32)" in " ".join(check_target(path, "onnxruntime==1.13").problems)


def test_a_set_that_is_too_old_for_a_converter_is_said(tmp_path: Path) -> None:
    path = tmp_path / "old.onnx"
    onnx.save(model(helper.make_node("Relu", ["x"], ["y"]), opset=11, ir_version=6), path)
    assert "older than 12" in " ".join(check_target(path, "rknn-toolkit2==1.6").problems)


@pytest.mark.parametrize("content", [None, b"", b"no model", b"\x08\x08" * 3])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError):
        check_target(path, "onnxruntime==1.13")


def test_what_a_model_runs_on_is_named(gelu: Path) -> None:
    names = runs_on(onnx.load(gelu))
    assert names[0] == "onnxruntime>=1.17"
    assert "jetson-nano" not in names
    assert "debian-13" in names
    older = runs_on(model(helper.make_node("Relu", ["x"], ["y"]), opset=9, ir_version=4))
    assert older[0] == "onnxruntime>=1.5"
    assert {"jetson-nano", "windows-10-2004", "unity-sentis"} <= set(older)


def test_a_constant_that_would_eat_the_machine_is_looked_at_only(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    many = helper.make_node("Constant", [], ["many"], value=helper.make_tensor("many", TensorProto.INT64, [1], [2**34]))
    nodes = [
        many,
        helper.make_node("ConstantOfShape", ["many"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["most"]),
        helper.make_node("Add", ["x", "most"], ["y"]),
    ]
    onnx.save(model(*nodes, opset=20, ir_version=9), path)
    assert check_target(path, "onnxruntime==1.13").remedy.endswith("which writes opset 17.")


def test_a_check_needs_no_torch(gelu: Path) -> None:
    code = f"import sys; from exporters.targets import check_target; check_target({str(gelu)!r}, 'onnxruntime==1.13'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
