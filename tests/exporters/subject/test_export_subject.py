"""What can be exported: checkpoints and any module with an example; and what is refused before a trace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from exporters.settings import make_settings
from exporters.sources import Source
from exporters.sources.default_target import default_target
from exporters.subject.assembly import make_subject as make_subject_of
from exporters.subject.subject import Subject
from runtime.card import ArrayInput, ImageInput, TableInput
from runtime.errors import CheckpointError, InputError, SpecError, ToolkitError
from toolkit.training.checkpoints.checkpoint import Checkpoint


def make_subject(source: Source, example: Any = None, **settings: Any) -> Subject:
    return make_subject_of(source, example=example, settings=make_settings(settings))


class Two(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"total": x + y, "product": x * y}


class Odd(torch.nn.Module):
    def __init__(self, result: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.result = result

    def forward(self, x: torch.Tensor) -> Any:
        return self.result(x)


def test_a_checkpoint_brings_its_card_its_samples_and_its_outputs(checkpoint: Path) -> None:
    for source in (checkpoint, str(checkpoint), Checkpoint.load(checkpoint)):
        subject = make_subject(source)
        assert subject.card.task == "classification"
        assert isinstance(subject.card.inputs[0], ImageInput)
        assert subject.card.labels == tuple("0123456789")
        assert subject.input_names == ["input"]
        assert subject.output_names == ["probabilities", "embedding"]
        assert subject.samples[0].shape == (16, 1, 8, 8)
        assert not any(module.training for module in subject.module.module.modules())


def test_a_regression_gives_values(tmp_path: Path) -> None:
    from toolkit import nn

    model = nn("reg", tmp_path)
    model.load_dataset(torch.rand(8, 3), torch.rand(8, 2))
    model.add("linear", size=2)
    model.save(tmp_path / "a.pth")
    assert make_subject(tmp_path / "a.pth").output_names == ["values"]
    assert make_subject(tmp_path / "a.pth", outputs=["embedding", "values"]).output_names == ["embedding", "values"]


def test_a_module_is_arrays_in_and_arrays_out_unless_a_task_is_named(
    dense: torch.nn.Module, rows: torch.Tensor
) -> None:
    raw = make_subject(dense, example=rows)
    assert (raw.card.task, raw.output_names, raw.card.labels) == ("raw", ["output"], ())
    assert raw.card.inputs == (ArrayInput("input", (4,)),)
    classifier = make_subject(dense, example=rows, task="classification", labels=["a", "b", "c"])
    assert classifier.output_names == ["probabilities", "embedding"]
    assert classifier.card.labels == ("a", "b", "c")
    table = TableInput("input", ("p", "q", "r", "s"))
    assert make_subject(dense, example=rows, inputs=[table]).card.inputs == (table,)


def test_several_inputs_and_named_outputs_are_told_apart() -> None:
    subject = make_subject(Two(), example=(torch.rand(3, 2), torch.rand(3, 2).double()))
    assert subject.input_names == ["x", "y"]
    assert [entry.dtype for entry in subject.card.inputs] == ["float32", "float64"]  # type: ignore[union-attr]
    assert subject.output_names == ["total", "product"]
    assert make_subject(Two(), example=(torch.rand(3, 2),) * 2, outputs=["a", "b"]).output_names == ["a", "b"]


def test_the_module_is_put_into_evaluation_mode_and_otherwise_left_as_it_was(rows: torch.Tensor) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Dropout()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    make_subject(module, example=rows, task="regression")
    assert not module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"example": None}, InputError, "was given without an example of its input. Give one batch"),
        ({"example": [1, 2]}, InputError, "The example is a list; a tensor or a tuple of tensors"),
        ({"example": ()}, InputError, "The example is a tuple"),
        ({"example": torch.tensor(1.0)}, InputError, "The example is a tensor of shape ()"),
        ({"example": torch.rand(0, 4)}, InputError, "The example is a tensor of shape (0, 4)"),
        ({"example": torch.rand(2, 5)}, InputError, "failed on its example of shape (2, 5)"),
        ({"example": (torch.rand(2, 4), torch.rand(3, 4))}, InputError, "different batch sizes: [2, 3]"),
        ({"example": (torch.rand(2, 4),) * 2}, InputError, "failed on its example of shape (2, 4), (2, 4)"),
        ({"inputs": []}, InputError, "1 example inputs were given, but 0 are described"),
        ({"task": "clasification"}, ToolkitError, "Did you mean 'classification'?"),
        ({"task": "classification", "outputs": ["probs"]}, SpecError, "There is no output 'probs'"),
        ({"task": "regression", "outputs": ["logits"]}, SpecError, "There is no output 'logits' for regression"),
        ({"task": "classification", "labels": ["a"]}, SpecError, "1 labels were given; Sequential returns 3 numbers"),
        ({"outputs": ["a", "b"]}, SpecError, "2 output names were given; the module returns 1 tensors"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(
    dense: torch.nn.Module, rows: torch.Tensor, arguments: dict[str, Any], error: type[ToolkitError], words: str
) -> None:
    with pytest.raises(error) as caught:
        make_subject(dense, **{"example": rows, **arguments})
    assert words in str(caught.value)


def test_outputs_that_the_network_cannot_give_are_refused(rows: torch.Tensor) -> None:
    with pytest.raises(SpecError, match="but the network has no linear layer"):
        make_subject(Odd(torch.tanh), example=rows, task="classification", outputs=["embedding"])
    with pytest.raises(SpecError, match="Logits were asked for, but the module returns probabilities"):
        make_subject(Odd(lambda x: x.softmax(1)), example=rows, task="classification", outputs=["logits"])
    with pytest.raises(SpecError, match=r"one output of shape \(N, K\) is expected; the module returns a dict"):
        make_subject(Odd(lambda x: {"a": x}), example=rows, task="classification")
    with pytest.raises(SpecError, match=r"the module returns a tensor of shape \(4,\)"):
        make_subject(Odd(lambda x: x.sum(1)), example=rows, task="regression")


def test_a_layer_that_happens_to_be_called_logits_is_not_taken_for_the_networks_logits(rows: torch.Tensor) -> None:
    class Head(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.logits = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.logits(self.body(x).relu()).softmax(1)

    with pytest.raises(SpecError, match="Logits were asked for"):
        make_subject(Head(), example=rows, task="classification", outputs=["logits"])


def test_probabilities_are_recognised_and_not_softened_again(rows: torch.Tensor) -> None:
    for module in (Odd(lambda x: x.softmax(1)), Odd(lambda x: x)):
        (found,) = make_subject(module, example=rows, task="classification").module(rows)
        torch.testing.assert_close(found, rows.softmax(1))


def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"noise")
    for name in ("a.pth", "missing.pth"):
        with pytest.raises(CheckpointError, match=name):
            make_subject(tmp_path / name)


def test_the_file_lies_beside_the_checkpoint_unless_said_otherwise(rows: torch.Tensor) -> None:
    assert default_target("runs/a/best.pth") == Path("runs/a/best.onnx")
    with pytest.raises(SpecError, match="No output file was given"):
        default_target(torch.nn.Linear(1, 1))
