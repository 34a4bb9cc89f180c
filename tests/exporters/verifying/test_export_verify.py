"""The comparison: what passes, and that every kind of difference is named with its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from exporters.settings import ABSOLUTE, RELATIVE, STRICT, ExportSettings, Tolerance
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import Parity, References, compare
from runtime.errors import CheckFailed, ModelFileError

Traced = tuple[Subject, Path]


def run(
    subject: Subject,
    path: Path,
    sizes: tuple[int, ...],
    tolerance: Tolerance = STRICT,
    outputs: tuple[str, ...] | None = None,
) -> Parity:
    """Compare at these batch sizes."""
    return compare(References(subject, make_probes(subject, sizes)), path, tolerance, outputs=outputs)


def edit(path: Path, change: Callable[[onnx.ModelProto], Any]) -> None:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def weight(model: onnx.ModelProto, axes: int = 2) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if len(tensor.dims) == axes)


def change_weight(model: onnx.ModelProto, by: float) -> None:
    tensor = weight(model)
    values = numpy_helper.to_array(tensor).copy()
    values[0, 0] += by
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def test_the_traced_file_says_what_torch_says_at_every_batch_size(traced: Traced) -> None:
    parity = run(*traced, (1, 2, 5, 11))
    assert list(parity.worst) == ["probabilities", "embedding"]
    assert parity.worst_difference == max(parity.worst.values()) < 1e-6
    assert parity.batch_sizes == (1, 2, 5, 11)
    assert parity.samples == 7
    assert parity.labels_agree == 1
    assert json.loads(json.dumps(parity.to_dict())) == parity.to_dict()


def test_the_tolerance_grows_with_the_greatest_magnitude_of_the_output(traced: Traced) -> None:
    parity = run(*traced, (7,), Tolerance(1e-3, 0.5))
    subject = traced[0]
    with torch.no_grad():
        results = dict(zip(subject.output_names, subject.module(*subject.samples), strict=True))
    for name, allowed in parity.allowed.items():
        assert allowed == pytest.approx(1e-3 + 0.5 * float(results[name].abs().max()))


@pytest.mark.parametrize("by", [1.0, 0.01, 0.001])
def test_a_changed_weight_is_found_with_output_size_and_place(traced: Traced, by: float) -> None:
    subject, path = traced
    edit(path, lambda model: change_weight(model, by))
    with pytest.raises(
        CheckFailed, match=r"The output '\w+' differs from torch by .* at batch size 1, position \(0, \d\) \(torch"
    ):
        run(subject, path, (1, 2))


def test_a_difference_in_the_last_sample_alone_is_found(traced: Traced) -> None:
    """All samples are covered, whatever the batch size."""
    subject, path = traced

    # a file that is wrong only where the first feature is above 4: Clip cuts it there
    def clip(model: onnx.ModelProto) -> None:
        first = model.graph.node[0]
        name, first.input[0] = first.input[0], "clipped"
        limits = [numpy_helper.from_array(np.float32(value), key) for key, value in (("low", -4), ("high", 4))]
        model.graph.initializer.extend(limits)
        model.graph.node.insert(0, onnx.helper.make_node("Clip", [name, "low", "high"], ["clipped"]))

    edit(path, clip)
    samples = torch.zeros_like(subject.samples[0])
    run(replace(subject, samples=(samples,)), path, (1, 2, 5))
    samples[6] = 5.0
    for size in (1, 2, 5, 7):
        with pytest.raises(CheckFailed, match=f"at batch size {size}"):
            run(replace(subject, samples=(samples.clone(),)), path, (size,))


def test_outputs_that_changed_places_are_found(traced: Traced) -> None:
    subject, path = traced

    def swap_names(model: onnx.ModelProto) -> None:
        names = {"probabilities": "embedding", "embedding": "probabilities"}
        for node in model.graph.node:
            node.output[:] = [names.get(name, name) for name in node.output]
            node.input[:] = [names.get(name, name) for name in node.input]
        for value in model.graph.output:
            value.name = names[value.name]

    edit(path, swap_names)
    with pytest.raises(
        CheckFailed, match=r"The output 'probabilities' at batch size 1 is float32 \(1, 6\) in the file"
    ):
        run(subject, path, (1,))


def test_classes_that_changed_places_are_found(traced: Traced) -> None:
    subject, path = traced

    def permute(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            for index, name in enumerate(node.output):
                if name == "probabilities":
                    node.output[index] = "straight"
        model.graph.initializer.append(numpy_helper.from_array(np.array([1, 0, 2]), "order"))
        model.graph.node.append(onnx.helper.make_node("Gather", ["straight", "order"], ["probabilities"], axis=1))

    edit(path, permute)
    with pytest.raises(CheckFailed, match="The output 'probabilities' differs from torch"):
        run(subject, path, (1,))


def test_a_missing_output_or_another_input_is_found(traced: Traced) -> None:
    subject, path = traced
    whole = path.read_bytes()
    edit(path, lambda model: model.graph.output.pop())
    with pytest.raises(CheckFailed, match=r"The file has the outputs \['probabilities'\]; \['embedding'\] are missing"):
        run(subject, path, (1,))
    assert list(run(subject, path, (1,), outputs=("probabilities",)).worst) == ["probabilities"]
    path.write_bytes(whole)

    def rename(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = ["x" if name == "input" else name for name in node.input]
        model.graph.input[0].name = "x"

    edit(path, rename)
    with pytest.raises(CheckFailed, match=r"The file takes the inputs \['x'\]; the network takes \['input'\]"):
        run(subject, path, (1,))


def test_a_frozen_batch_axis_is_found(traced: Traced) -> None:
    subject, path = traced

    def freeze(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 2

    edit(path, freeze)
    run(subject, path, (2,))
    with pytest.raises(CheckFailed, match="The file does not run at batch size 1"):
        run(subject, path, (2, 1))


def test_values_that_are_no_numbers_must_be_so_in_both(traced: Traced) -> None:
    subject, path = traced
    bad = subject.samples[0].clone()
    bad[2, 1] = float("nan")
    both = run(replace(subject, samples=(bad,)), path, (1, 2))
    assert both.worst_difference < 1e-6

    def divide(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            for index, name in enumerate(node.output):
                if name == "probabilities":
                    node.output[index] = "finite"
        model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "zero"))
        model.graph.node.append(onnx.helper.make_node("Div", ["finite", "zero"], ["probabilities"]))

    edit(path, divide)
    with pytest.raises(CheckFailed, match="is NaN or infinite in one of torch and the file only"):
        run(subject, path, (1,))


def test_a_tolerance_that_is_no_number_passes_nothing(traced: Traced) -> None:
    with pytest.raises(CheckFailed, match="up to nan is allowed"):
        run(*traced, (1,), Tolerance(float("nan")))


def test_a_type_that_changed_is_found(traced: Traced) -> None:
    subject, path = traced
    wide = make_subject(
        copy.deepcopy(subject.module.module).double(),
        example=subject.samples[0].double(),
        settings=ExportSettings(task="classification", labels=subject.card.labels),
    )
    with pytest.raises(CheckFailed, match="The file does not run at batch size 1: The input 'input' is float64"):
        run(wide, path, (1,))


def test_a_file_that_cannot_be_opened_says_so(traced: Traced) -> None:
    subject, path = traced
    content = path.read_bytes()
    for length in (0, 1, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises((ModelFileError, CheckFailed)):
            run(subject, path, (1, 2))


def test_a_module_left_in_training_mode_is_compared_in_evaluation_mode(traced: Traced) -> None:
    subject, path = traced
    subject.module.train()
    run(subject, path, (1,))
    assert not subject.module.training


def test_the_defaults_are_strict() -> None:
    assert ABSOLUTE <= 1e-5
    assert RELATIVE <= 1e-5
    assert Parity({}, {}, (1,), (), 0, None, {}).worst_difference == 0
