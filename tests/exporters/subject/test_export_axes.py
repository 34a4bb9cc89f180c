"""Which axes are dynamic: asked for, natural, found by running torch; and the shapes that are tried along them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from exporters.settings import ExportSettings
from exporters.sources.axes import AxisRange
from exporters.subject.assembly import make_subject
from exporters.subject.dynamic_axes import resolve_dynamic_axes
from exporters.subject.lengths import cycle, resized
from exporters.subject.subject import Subject
from exporters.verifying.probes import OTHER_LENGTHS, make_probes
from runtime.card import ImageInput, SequenceInput, TextInput
from runtime.errors import CheckFailed, SpecError


class Takes(torch.nn.Module):
    """Inputs -> their product with one number, where a condition on their shapes holds."""

    def __init__(self, condition: Any = lambda *_: True) -> None:
        super().__init__()
        self.condition = condition
        self.factor = torch.nn.Parameter(torch.ones(()))

    def forward(self, *inputs: torch.Tensor) -> Any:
        if not self.condition(*inputs):
            raise RuntimeError("not this shape")
        return tuple(x * self.factor for x in inputs)


def settled(module: torch.nn.Module, example: Any, **options: Any) -> tuple[Subject, tuple[str, ...]]:
    settings = ExportSettings(**options)
    return resolve_dynamic_axes(make_subject(module.eval(), example=example, settings=settings), settings)


def lengths_run(subject: Subject, place: int, axis: int) -> set[int]:
    return {int(probe.inputs[place].shape[axis]) for probe in make_probes(subject)}


def test_the_batch_alone_is_dynamic_where_nothing_is_known() -> None:
    subject, notes = settled(torch.nn.Linear(4, 3), torch.rand(3, 7, 4))
    assert subject.axes == ({0: "batch"},)
    assert lengths_run(subject, 0, 1) == {7}
    assert lengths_run(subject, 0, 0) == {1, 2, 5}
    assert notes == ()


def test_nothing_is_dynamic_where_that_is_asked_for() -> None:
    subject, _ = settled(torch.nn.Linear(4, 3), torch.rand(3, 7, 4), dynamic=(), batch_size=2)
    assert subject.axes == ({},)
    assert lengths_run(subject, 0, 0) == {2}


@pytest.mark.parametrize(
    ("module", "shape", "axis", "least"),
    [(torch.nn.Linear(4, 3), (3, 7, 4), 1, 1), (torch.nn.Conv1d(4, 3, 3), (3, 4, 9), 2, 3)],
)
def test_the_length_is_found_where_torch_takes_others(
    module: torch.nn.Module, shape: tuple[int, ...], axis: int, least: int
) -> None:
    subject, _ = settled(module, torch.rand(shape), dynamic=("batch", "length"))
    assert subject.axes == ({0: "batch", axis: "length"},)
    assert subject.ranges["length"] == AxisRange(shape[axis], minimum=least)
    others = lengths_run(subject, 0, axis) - {shape[axis]}
    assert len(others) >= OTHER_LENGTHS
    assert least in others
    assert subject.card.inputs[0].shape[axis - 1] is None


def test_height_and_width_are_never_run_equal_alone() -> None:
    subject, _ = settled(torch.nn.Conv2d(3, 4, 3), torch.rand(3, 3, 16, 20), dynamic=("batch", "height", "width"))
    assert subject.axes == ({0: "batch", 2: "height", 3: "width"},)
    sizes = {tuple(probe.inputs[0].shape[2:]) for probe in make_probes(subject)} - {(16, 20)}
    assert len(sizes) >= OTHER_LENGTHS
    assert any(height != width for height, width in sizes)


@pytest.mark.parametrize(("layout", "first"), [("NCHW", 2), ("NHWC", 1)])
def test_height_and_width_of_a_picture_lie_where_its_layout_says(layout: Any, first: int) -> None:
    card = ImageInput("input", "RGB", (16, 20), resize=(16, 20), layout=layout)
    example = torch.rand(3, 3, 16, 20) if layout == "NCHW" else torch.rand(3, 16, 20, 3)
    subject, _ = settled(Takes(), example, inputs=[card], dynamic=("batch", "height", "width"))
    assert subject.axes == ({0: "batch", first: "height", first + 1: "width"},)


def test_multiples_and_bounds_are_found_and_said() -> None:
    module = Takes(lambda x: x.shape[1] % 4 == 0 and 8 <= x.shape[1] <= 24)
    subject, notes = settled(module, torch.rand(3, 16), dynamic=("batch", "length"))
    assert subject.ranges["length"] == AxisRange(16, step=4, minimum=8, maximum=24)
    assert notes == ("length: torch itself takes 8 to 24, multiples of 4",)
    assert lengths_run(subject, 0, 1) == {8, 12, 16, 20, 24}


def test_inputs_of_one_length_move_together_and_others_by_themselves() -> None:
    module = Takes(lambda x, mask, target: x.shape[1] == mask.shape[1])
    example = (torch.rand(3, 7, 4), torch.ones(3, 7, dtype=torch.bool), torch.rand(3, 5))
    subject, _ = settled(module, example, dynamic=("batch", "length"))
    name = subject.input_names[2]
    assert subject.axes == ({0: "batch", 1: "length"}, {0: "batch", 1: "length"}, {0: "batch", 1: f"{name}_length"})


def test_axes_can_be_given_by_number() -> None:
    subject, _ = settled(Takes(), torch.rand(3, 16, 20), dynamic={"input": {0: "batch", 2: "columns"}})
    assert subject.axes == ({0: "batch", 2: "columns"},)
    assert len(lengths_run(subject, 0, 2)) > OTHER_LENGTHS
    assert lengths_run(subject, 0, 1) == {16}


@pytest.mark.parametrize(
    ("dynamic", "words"),
    [
        (("batch", "hight"), "no axis 'hight'. Did you mean 'height'?"),
        ({"inptu": {0: "batch"}}, "no input 'inptu'. Did you mean 'input'?"),
        ({"input": {0: "batch", 9: "length"}}, "has the axes 0 to 2; 9 was given"),
        ({"input": {0: "batch", 1: "length", 2: "length"}}, "Give axes of different lengths different names"),
    ],
)
def test_axes_that_there_are_not_are_refused(dynamic: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        settled(Takes(), torch.rand(3, 7, 4), dynamic=dynamic)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("module", "shape", "dynamic", "words"),
    [
        (
            torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(28, 2)),
            (3, 7, 4),
            ("batch", "length"),
            "another length",
        ),
        (Takes(lambda x: len(x) == 3), (3, 4), None, "does not run at a batch of 1, only at the example's 3"),
        (Takes(), (3,), ("batch", "length"), "No input has an axis that could be the length"),
        (Takes(), (3, 4), ("height",), "No input has an axis that could be the height"),
    ],
)
def test_an_axis_that_torch_itself_refuses_is_an_error(
    module: torch.nn.Module, shape: tuple[int, ...], dynamic: Any, words: str
) -> None:
    with pytest.raises(CheckFailed, match=words):
        settled(module, torch.rand(shape), dynamic=dynamic)


def test_the_length_is_natural_for_texts_and_sequences() -> None:
    card = TextInput("input", tuple("abcdefghij"), 7)
    words = torch.nn.Embedding(10, 4)
    assert settled(words, torch.randint(0, 10, (3, 7)), inputs=(card,))[0].axes == ({0: "batch", 1: "length"},)
    steps = SequenceInput("input", 4, 7)
    subject, notes = settled(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(28, 2)), torch.rand(3, 7, 4), inputs=(steps,)
    )
    assert subject.axes == ({0: "batch"},)
    assert notes[0].startswith("the length is fixed: torch itself does not run at another length than 7")


def test_height_and_width_are_natural_where_every_pixel_gets_an_answer() -> None:
    module = torch.nn.Conv2d(3, 4, 3, padding=1)
    subject, _ = settled(module, torch.rand(3, 3, 9, 8), task="dense", labels=tuple("abcd"))
    assert subject.axes == ({0: "batch", 2: "height", 3: "width"},)


def test_rows_are_repeated_in_their_order() -> None:
    assert cycle(torch.arange(3), 2).tolist() == [0, 1]
    assert cycle(torch.arange(3), 7).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert cycle(torch.arange(3), 2, start=2).tolist() == [0, 2]


def test_masks_and_counts_stay_true_at_another_length() -> None:
    lengths = torch.tensor([6, 4, 1])
    mask = torch.arange(6) < lengths[:, None]
    subject, _ = settled(Takes(), (mask.float(), lengths), dynamic=("batch", "length"))
    for length in (3, 6, 12):
        longer, counts = resized(subject, {"length": length})
        assert counts.tolist() == [max(1, count * length // 6) for count in (6, 4, 1)]
        assert longer.shape == (3, length)
        assert (longer.diff(dim=1) <= 0).all()  # padding is still at the end
        assert longer[0].all()
    assert resized(subject, {"length": 12}, counts=None)[1].tolist() == [6, 4, 1]
    assert resized(subject, {"length": 12}, counts=0.5)[1].tolist() == [6, 4, 1]


def test_a_program_made_for_shapes_of_its_own_keeps_them() -> None:
    length = torch.export.Dim("length", min=2)
    program = torch.export.export(
        torch.nn.Linear(4, 3), (torch.rand(3, 7, 4),), dynamic_shapes=({1: length},), strict=False
    )
    subject, _ = settled_program(program)
    assert [list(axes) for axes in subject.axes] == [[1]]
    assert len(lengths_run(subject, 0, 1)) > OTHER_LENGTHS
    assert lengths_run(subject, 0, 0) == {3}
    assert settled_program(program, dynamic=())[0].axes == ({},)
    with pytest.raises(CheckFailed, match="exported for one batch; its dynamic axes are: length"):
        settled_program(program, dynamic=("batch",))


def settled_program(program: Any, **options: Any) -> tuple[Subject, tuple[str, ...]]:
    settings = ExportSettings(**options)
    return resolve_dynamic_axes(make_subject(program, settings=settings), settings)
