"""Any two of checkpoint, module and ONNX file: the same ones pass, others are told apart, and the layer is named."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from exporters import Comparison, Report, check, compare_networks, export
from exporters.commands.check_from_options import run_check
from exporters.comparing.layers import find_divergence
from exporters.comparing.steps import Step, Steps
from exporters.settings import Tolerance
from runtime.card import CARD_KEY, ImageInput, ModelCard
from runtime.errors import CardError, CheckFailed, CheckpointError, InputError, ModelFileError
from toolkit.data.readers.digits import digit_pictures
from toolkit.training.checkpoints.checkpoint import Checkpoint

Exported = tuple[Report, list[str]]
NO_OPTIONS: dict[str, Any] = dict.fromkeys(
    ("data", "atol", "rtol", "min_agreement", "outputs", "target", "arch", "arch_args", "input_size")
) | {"layers": False, "trust": False}


class Convolutions(torch.nn.Module):
    """Two branches, normalisation that exporters fuse, and functions between the modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, 3, padding=1)
        self.first_norm = torch.nn.BatchNorm2d(6)
        self.second = torch.nn.Conv2d(6, 6, 3, padding=1)
        self.second_norm = torch.nn.BatchNorm2d(6)
        self.beside = torch.nn.Conv2d(3, 6, 1)
        self.head = torch.nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, 4)."""
        y = self.first_norm(self.first(x)).relu()
        y = self.second_norm(self.second(y)).relu_() + self.beside(x)
        return self.head(y.mean((2, 3)))


@pytest.fixture(scope="module")
def convolutions() -> torch.nn.Module:
    torch.manual_seed(0)
    module = Convolutions()
    with torch.no_grad():
        for _ in range(5):
            module(torch.randn(8, 3, 9, 9) * 2 + 1)
        for norm in (module.first_norm, module.second_norm):
            norm.weight.uniform_(0.5, 2)
            norm.bias.uniform_(-1, 1)
    return module.eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def convolutions_file(
    convolutions: torch.nn.Module, pictures: torch.Tensor, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("convolutions") / "a.onnx"
    export(convolutions, path, example=pictures, task="classification", labels=["a", "b", "c", "d"], simplifier="none")
    return path


def without_card(source: Path, target: Path) -> onnx.ModelProto:
    model = onnx.load(source)
    kept = [entry for entry in model.metadata_props if entry.key != CARD_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, target)
    return model


def change_weight(path: Path, target: Path, operator: str, number: int) -> str:
    """Change one number of the weight of the n-th node of an operator; returns the node's tensor."""
    model = onnx.load(path)
    node = [node for node in model.graph.node if node.op_type == operator][number]
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[1])
    values = numpy_helper.to_array(tensor).copy()
    values.reshape(-1)[::3] += 0.1
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, target)
    return str(node.output[0])


# ---- what is the same ----------------------------------------------------------------------------------------------------


def test_a_file_passes_against_its_own_checkpoint_in_either_order(exported: Exported, checkpoint: Path) -> None:
    found = check(exported[0].path, checkpoint)
    assert found.passed
    assert found.worst_difference < 1e-5
    assert found.shapes == ("batch size 1", "batch size 2", "batch size 5")
    assert [entry.first for entry in found.outputs] == ["probabilities", "embedding"]
    assert found.agreement is not None
    assert found.agreement.share == 1
    assert check(checkpoint, exported[0].path) == found
    assert check(exported[0].path, Checkpoint.load(checkpoint)).outputs == found.outputs


def test_two_checkpoints_two_files_and_two_modules(
    exported: Exported, checkpoint: Path, dense: torch.nn.Module, rows: torch.Tensor
) -> None:
    for first, second, options in (
        (checkpoint, checkpoint, {}),
        (exported[0].path, exported[0].path, {}),
        (dense, copy.deepcopy(dense), {"example": rows}),
    ):
        found: Comparison = check(first, second, **options)
        assert found.worst_difference == 0
        assert found.rows >= 8


def test_a_module_is_checked_with_an_example_and_keeps_its_mode(
    convolutions: torch.nn.Module, pictures: torch.Tensor, convolutions_file: Path
) -> None:
    module = copy.deepcopy(convolutions).train()
    assert check(convolutions_file, module, example=pictures).worst_difference < 1e-5
    assert module.training


def test_a_fixed_batch_is_checked_at_its_size(dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path) -> None:
    export(dense, tmp_path / "a.onnx", example=rows[:3], dynamic=(), simplifier="none")
    assert check(tmp_path / "a.onnx", dense, example=rows).shapes == ("batch size 3",)


def test_a_file_from_elsewhere_without_a_card_and_with_other_names(
    convolutions: torch.nn.Module, pictures: torch.Tensor, tmp_path: Path
) -> None:
    torch.onnx.export(
        convolutions, (pictures,), tmp_path / "plain.onnx", input_names=["picture"], output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("n")},), dynamo=True, verbose=False, external_data=False,
    )  # fmt: skip
    found = check(tmp_path / "plain.onnx", convolutions, example=pictures)
    assert found.worst_difference < 1e-5
    assert found.notes == ("outputs paired by what they say: output with scores",)


def test_axes_that_the_file_leaves_free_are_run_at_other_lengths(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 3), torch.nn.ReLU())
    x = torch.rand(3, 2, 9)
    dynamic = {"input": {0: "batch", 2: "length"}}
    export(module, tmp_path / "a.onnx", example=x, dynamic=dynamic, simplifier="none")
    found = check(module, tmp_path / "a.onnx", example=x)
    lengths = {int(shape.rpartition("length ")[2]) for shape in found.shapes if "length" in shape}
    assert len(lengths) >= 5
    assert 9 not in lengths


def test_outputs_of_other_names_are_paired_by_what_they_say(
    checkpoint: Path, exported: Exported, tmp_path: Path
) -> None:
    model = without_card(exported[0].path, tmp_path / "plain.onnx")
    names = {"probabilities": "b", "embedding": "a"}
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
        node.input[:] = [names.get(name, name) for name in node.input]
    for value in model.graph.output:
        value.name = names[value.name]
    onnx.save(model, tmp_path / "plain.onnx")
    found = check(tmp_path / "plain.onnx", checkpoint)
    assert {(entry.first, entry.second) for entry in found.outputs} == {("probabilities", "b"), ("embedding", "a")}


def test_two_files_with_free_axes_run_at_lengths_that_both_take(tmp_path: Path) -> None:
    def save(name: str, factor: float) -> Path:
        tensors = [helper.make_tensor_value_info(key, TensorProto.FLOAT, ["n", 3, "h", "w"]) for key in ("x", "y")]
        pool = helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[20, 20], strides=[1, 1])
        nodes = [pool, helper.make_node("Mul", ["p", "factor"], ["y"])]
        weights = [numpy_helper.from_array(np.float32(factor), "factor")]
        graph = helper.make_graph(nodes, "g", tensors[:1], tensors[1:], weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / name)
        return tmp_path / name

    found = check(save("a.onnx", 2), save("b.onnx", 2))
    assert "batch size 5, h, w 64" in found.shapes
    assert all(" 7" not in shape for shape in found.shapes)  # smaller than the window
    with pytest.raises(CheckFailed, match="differs by"):
        check(save("a.onnx", 2), save("c.onnx", 2.1))


# ---- what is not the same ------------------------------------------------------------------------------------------------


def test_the_file_of_another_checkpoint_fails(exported: Exported, other_checkpoint: Path) -> None:
    with pytest.raises(
        CheckFailed, match=r"are not the same. The output 'probabilities' differs by .* at batch size 1"
    ):
        check(exported[0].path, other_checkpoint)
    found = compare_networks(exported[0].path, other_checkpoint)
    assert not found.passed
    assert len(found.problems) == 2
    assert "DIFFERENT" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["passed"] is False


def test_the_figures_are_those_of_numpy(tmp_path: Path) -> None:
    class Times(torch.nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.factor

    x = torch.tensor([[1.0, -4.0], [2.0, 3.0]])
    (entry,) = compare_networks(Times(1.0), Times(1.5), example=x, dynamic=()).outputs
    assert (entry.absolute, entry.relative, entry.root_mean_square) == (2.0, 0.5, 0.5)
    assert entry.where == "batch size 2, position (0, 1): -4 and -6"
    assert entry.allowed == pytest.approx(1e-5 + 4e-5)
    assert check(Times(1.0), Times(1.5), example=x, tolerance=Tolerance(0.0, 0.5)).passed
    assert check(Times(1.0), Times(1.5), example=x, tolerance=Tolerance(root_mean_square=0.51)).passed
    with pytest.raises(CheckFailed, match="root mean square"):
        check(Times(1.0), Times(1.5), example=x, tolerance=Tolerance(root_mean_square=0.49))
    with pytest.raises(CheckFailed, match="differs by inf"):
        check(Times(1.0), Times(float("inf")), example=x)


def changed(checkpoint: Path, tmp_path: Path, **card: Any) -> Path:
    known = Checkpoint.load(checkpoint)
    facts = {**known.card.to_dict(), **card}
    Checkpoint(known.spec, known.state_dict, ModelCard.from_dict(facts), known.samples).save(tmp_path / "changed.pth")
    return tmp_path / "changed.pth"


@pytest.mark.parametrize("what", ["labels", "inputs"])
def test_a_card_that_says_otherwise_fails(exported: Exported, checkpoint: Path, tmp_path: Path, what: str) -> None:
    inputs = [dict(entry) for entry in Checkpoint.load(checkpoint).card.to_dict()["inputs"]]
    inputs[0]["scale"] = 1.0
    value = {"labels": list("9876543210"), "inputs": inputs}[what]
    with pytest.raises(CheckFailed, match=f"has other {what} than that of"):
        check(exported[0].path, changed(checkpoint, tmp_path, **{what: value}))


def test_another_task_has_other_outputs(exported: Exported, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"has the outputs probabilities, embedding; .* has others"):
        check(exported[0].path, changed(checkpoint, tmp_path, task="regression"))


def test_a_lost_output_fails_unless_the_others_are_named(exported: Exported, tmp_path: Path) -> None:
    model = without_card(exported[0].path, tmp_path / "plain.onnx")
    model.graph.output.pop()
    onnx.save(model, tmp_path / "plain.onnx")
    with pytest.raises(CheckFailed, match=r"lacks the output embedding of .* --outputs probabilities"):
        check(exported[0].path, tmp_path / "plain.onnx")
    assert check(exported[0].path, tmp_path / "plain.onnx", outputs=("probabilities",)).passed
    with pytest.raises(InputError, match=r"has no output 'probabilties'\. Did you mean 'probabilities'"):
        check(exported[0].path, tmp_path / "plain.onnx", outputs=("probabilties",))


def test_other_inputs_cannot_be_compared(exported: Exported, convolutions_file: Path, tmp_path: Path) -> None:
    tensors = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", tensors[:1], tensors[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "a.onnx")
    with pytest.raises(CheckFailed, match=r"takes x: int64 \(n\); .* takes input: float32"):
        check(tmp_path / "a.onnx", convolutions_file)


def test_files_that_are_broken_or_not_there_are_named(exported: Exported, tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(exported[0].path.read_bytes()[:400])
    with pytest.raises(ModelFileError, match=r"cut.onnx is not an ONNX model"):
        check(tmp_path / "cut.onnx", exported[0].path)
    with pytest.raises((ModelFileError, CheckpointError), match="does not exist"):
        check(tmp_path / "nothing.onnx", exported[0].path)
    (tmp_path / "noise.pth").write_bytes(b"noise")
    with pytest.raises(CheckpointError):
        check(exported[0].path, tmp_path / "noise.pth")


# ---- real data -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty digits in folders named by class."""
    root = tmp_path_factory.mktemp("digit_folder")
    digits, labels = digit_pictures()
    for number in range(300, 340):
        (root / str(labels[number])).mkdir(exist_ok=True)
        Image.fromarray(digits[number]).save(root / str(labels[number]) / f"{number}.png")
    return root


def test_labels_agree_on_real_data_and_are_judged(
    exported: Exported, checkpoint: Path, other_checkpoint: Path, digit_folder: Path, tmp_path: Path
) -> None:
    same = check(exported[0].path, checkpoint, data=digit_folder)
    assert same.agreement is not None
    assert (same.agreement.share, same.agreement.answers, same.rows) == (1.0, 40, 40)
    assert same.agreement.accuracy is not None
    assert same.agreement.accuracy[0] == same.agreement.accuracy[1] > 0.2
    other = compare_networks(
        exported[0].path, other_checkpoint, data=digit_folder, tolerance=Tolerance(100.0, min_agreement=0.999)
    )
    assert other.agreement is not None
    assert other.agreement.share < 0.999
    assert len(other.problems) == 1
    assert other.problems[0].startswith("They give the same label to ")
    assert len(other.agreement.examples[0]) == 3
    plain = without_card(exported[0].path, tmp_path / "plain.onnx")
    assert plain is not None
    assert check(tmp_path / "plain.onnx", exported[0].path, data=digit_folder).rows == 40
    with pytest.raises(CardError, match=r"neither .* has a card that says how"):
        check(tmp_path / "plain.onnx", tmp_path / "plain.onnx", data=digit_folder)


def test_an_agreement_needs_labels(convolutions: torch.nn.Module, pictures: torch.Tensor) -> None:
    found = compare_networks(convolutions, convolutions, example=pictures, tolerance=Tolerance(min_agreement=0.5))
    assert found.problems[0].startswith("An agreement of labels was asked for")


# ---- layers --------------------------------------------------------------------------------------------------------------


def test_every_layer_of_an_equal_pair_is_equal_or_fused(
    convolutions: torch.nn.Module, pictures: torch.Tensor, convolutions_file: Path
) -> None:
    layers = check(convolutions_file, convolutions, example=pictures, layers=True).layers
    assert layers is not None
    assert layers.first is None
    states = {row.name: row.state for row in layers.rows}
    assert states["first_norm"] == states["second_norm"] == states["beside"] == states["head"] == "equal"
    assert states["first"] == "inside"  # fused with the normalisation behind it


@pytest.mark.parametrize("layer", ["first", "second", "beside", "head"])
def test_the_layer_whose_weight_differs_is_named(
    convolutions: torch.nn.Module, pictures: torch.Tensor, convolutions_file: Path, layer: str
) -> None:
    """Against the file and against the module; layers behind it, and beside it, are not blamed."""
    module = copy.deepcopy(convolutions)
    with torch.no_grad():
        module.get_submodule(layer).weight[::2] *= 1.5  # type: ignore[operator,union-attr]
    for other in (convolutions_file, convolutions):
        layers = compare_networks(module, other, example=pictures, layers=True).layers
        assert layers is not None
        assert layers.first is not None
        assert layers.first.name == layer
        assert layers.seen is not None
        assert layers.seen.name in (layer, f"{layer}_norm")
        assert layers.words().startswith(("They part at", "They part between"))


def test_two_files_part_at_the_node_that_was_changed(convolutions_file: Path, tmp_path: Path) -> None:
    tensor = change_weight(convolutions_file, tmp_path / "other.onnx", "Conv", 1)
    layers = compare_networks(convolutions_file, tmp_path / "other.onnx", layers=True).layers
    assert layers is not None
    assert layers.first is not None
    assert (layers.first.name, layers.first.kind, layers.first.counterpart) == (tensor, "Conv", tensor)


def test_layers_in_another_order_of_axes_are_equal() -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    first = Steps((Step("a", "Conv2d", values, 0),), {"y": 1})
    for arranged in (values.transpose(0, 2, 3, 1), values.reshape(2, 60), values.transpose(2, 0, 1, 3)[None]):
        second = Steps((Step("other", "Conv", np.ascontiguousarray(arranged), 0),), {"y": 1})
        found = find_divergence(first, second, {"y": True})
        assert found.rows[0].state == "equal"
    mirrored = Steps((Step("other", "Conv", values[..., ::-1].copy(), 0),), {"y": 1})
    assert find_divergence(first, mirrored, {"y": True}).rows[0].state == "differs"


# ---- the command ---------------------------------------------------------------------------------------------------------


def test_the_command_prints_and_fails(exported: Exported, checkpoint: Path, other_checkpoint: Path) -> None:
    path = str(exported[0].path)
    facts, text, failure = run_check(str(checkpoint), path, NO_OPTIONS)
    assert failure is None
    assert facts["passed"]
    assert "the same: " in text
    facts, text, failure = run_check(path, str(other_checkpoint), {**NO_OPTIONS, "layers": True})
    assert failure is not None
    assert failure.exit_code == 1
    assert "They part " in str(failure)
    assert facts["layers"]["first"]["kind"]
    assert run_check(path, str(other_checkpoint), {**NO_OPTIONS, "atol": 1000.0})[2] is None
    assert run_check(path, str(other_checkpoint), {**NO_OPTIONS, "min_agreement": 0.0})[2] is None


def test_wrong_options_are_named(exported: Exported, checkpoint: Path) -> None:
    path = str(exported[0].path)
    with pytest.raises(InputError, match="Name what to compare it with"):
        run_check(path, None, NO_OPTIONS)
    for options, words in (
        ({"atol": -1.0}, "--atol -1.0"),
        ({"rtol": float("nan")}, "--rtol nan"),
        ({"min_agreement": 99.0}, "between 0 and 1"),
        ({"arch_args": "{"}, "--arch-args"),
        ({"input_size": "a"}, "--input-size"),
        ({"outputs": " , "}, "--outputs names nothing"),
    ):
        with pytest.raises(InputError, match=words):
            run_check(path, str(checkpoint), {**NO_OPTIONS, **options})


def test_a_target_is_held_against_one_file_or_beside_a_comparison(exported: Exported, checkpoint: Path) -> None:
    path = str(exported[0].path)
    facts, text, failure = run_check(path, None, {**NO_OPTIONS, "target": "onnxruntime==1.10"})
    assert failure is not None
    assert not facts["target"]["passed"]
    assert "onnxruntime==1.10" in text
    facts, _, failure = run_check(str(checkpoint), path, {**NO_OPTIONS, "target": "onnxruntime==1.23"})
    assert failure is None
    assert facts["target"]["passed"]
    assert facts["outputs"]


def test_lower_precision_is_allowed_what_the_export_allowed(
    exported: Exported, other_checkpoint: Path, tmp_path: Path
) -> None:
    card = exported[0].card
    parity = {**card.parity, "tolerance": vars(Tolerance(root_mean_square=100.0))}
    model = onnx.load(exported[0].path)
    for entry in model.metadata_props:
        if entry.key == CARD_KEY:
            entry.value = replace(card, parity=parity).to_json()
    onnx.save(model, tmp_path / "rough.onnx")
    found = compare_networks(tmp_path / "rough.onnx", other_checkpoint)
    assert found.passed
    assert found.notes[0].startswith("allowed is what ")
    assert not compare_networks(tmp_path / "rough.onnx", other_checkpoint, tolerance=Tolerance()).passed


def test_a_single_number_without_a_batch_is_compared_too(tmp_path: Path) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "a.onnx")
    assert compare_networks(tmp_path / "a.onnx", tmp_path / "a.onnx").passed


def test_what_is_nan_in_both_is_told_and_nothing_but_nan_is_no_agreement(tmp_path: Path) -> None:
    class Roots(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sqrt()

    x = torch.tensor([[1.0, -1.0], [4.0, 2.0]])
    found = compare_networks(Roots(), Roots(), example=x)
    assert found.passed and "note: the output" in str(found) and "is NaN in both in" in str(found)
    with pytest.raises(CheckFailed, match="NaN throughout in both, so that there is nothing to compare"):
        check(Roots(), Roots(), example=-x.abs())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_weights_are_compared_as_the_files_card_says(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Sequential):\n    def __init__(self):\n"
        "        super().__init__(torch.nn.Conv2d(3, 3, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())\n"
    )
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    torch.save(network.state_dict(), tmp_path / "w.pth")
    card = ImageInput("input", "RGB", (8, 8))
    arch = f"{tmp_path / 'net.py'}:Net"
    settings = {"task": "classification", "labels": ("a", "b", "c"), "inputs": (card,), "arch": arch}
    export(tmp_path / "w.pth", tmp_path / "n.onnx", **settings)
    for options in ({}, {"input_size": (8,)}, {"input_size": (3, 8, 8)}):
        found = check(tmp_path / "n.onnx", tmp_path / "w.pth", arch=arch, **options)
        assert found.passed
        assert [entry.first for entry in found.outputs] == ["probabilities"]
    torch.save({"epoch": 3, "model": network}, tmp_path / "pickled.pth")
    torch.jit.script(network).save(tmp_path / "script.pt")
    torch.export.save(torch.export.export(network, (torch.rand(1, 3, 8, 8),)), tmp_path / "program.pt2")
    for source, options in (("pickled.pth", {"trust": True}), ("script.pt", {}), ("program.pt2", {})):
        for one, two in (("n.onnx", source), (source, "n.onnx")):
            found = check(tmp_path / one, tmp_path / two, **options)
            assert found.passed, found
            assert [entry.first for entry in found.outputs] == ["probabilities"]
