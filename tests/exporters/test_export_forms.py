"""Export forms that compute in torch are compared with their modules there, over many shapes; and how forms are swapped in."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.forms import FORMS, apply_forms, find_form, form
from model_zoo.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool
from runtime.errors import SpecError

lengths = st.integers(1, 12)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def same(module: torch.nn.Module, *inputs: Any, **options: Any) -> None:
    """The form of a module gives what the module gives."""
    replaced = find_form(module.eval())
    assert replaced is not None
    with torch.no_grad():
        torch.testing.assert_close(
            replaced(*inputs, **options), module(*inputs, **options), atol=1e-6, rtol=1e-6, equal_nan=True
        )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(lengths, st.integers(2, 15) | st.none()), min_size=1, max_size=3), st.booleans())
def test_adaptive_pooling_to_any_size(axes: list[tuple[int, int | None]], average: bool) -> None:
    shape, size = zip(*axes, strict=True)
    kind = f"Adaptive{'Avg' if average else 'Max'}Pool{len(axes)}d"
    same(getattr(torch.nn, kind)(size if len(axes) > 1 else size[0] or 2), random(2, 3, *shape))


@pytest.mark.parametrize("size", [(3, 7), (1, 1), (None, 2), (5, 4)])
def test_adaptive_pooling_of_the_zoo(size: tuple[int | None, int | None]) -> None:
    same(AdaptiveAvgPool(size, 2), random(2, 3, 5, 4))
    same(AdaptiveMaxPool(size, 2), random(2, 3, 5, 4))


def test_adaptive_pooling_that_divides_stays_one_pooling() -> None:
    module = torch.nn.AdaptiveAvgPool2d((3, None))
    same(module, random(2, 3, 9, 11))
    assert find_form(torch.nn.AdaptiveAvgPool2d(1)) is None
    assert find_form(torch.nn.AdaptiveMaxPool3d((1, 1, 1))) is None
    assert find_form(torch.nn.AdaptiveMaxPool2d(3, return_indices=True)) is None


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_average_pooling_with_an_own_divisor(data: st.DataObject) -> None:
    axes = data.draw(st.sampled_from([2, 3]))
    kernel = tuple(data.draw(st.lists(st.integers(1, 4), min_size=axes, max_size=axes)))
    stride = tuple(data.draw(st.lists(st.integers(1, 4), min_size=axes, max_size=axes)))
    padding = tuple(data.draw(st.integers(0, size // 2)) for size in kernel)
    shape = tuple(data.draw(st.integers(size, 9)) for size in kernel)
    kind = torch.nn.AvgPool2d if axes == 2 else torch.nn.AvgPool3d
    module = kind(
        kernel,
        stride,
        padding,
        ceil_mode=data.draw(st.booleans()),
        count_include_pad=data.draw(st.booleans()),
        divisor_override=data.draw(st.integers(1, 7)),
    )
    same(module, random(2, 3, *shape))


def test_average_pooling_without_a_divisor_has_no_form() -> None:
    assert find_form(torch.nn.AvgPool2d(3)) is None


def test_activations() -> None:
    numbers = torch.tensor([-1e4, -200.0, -90.0, -3.0, -1e-8, 0.0, 1e-8, 2.0, 90.0, 1e4, torch.inf, -torch.inf])
    same(torch.nn.LogSigmoid(), numbers)
    same(torch.nn.RReLU(0.1, 0.3), numbers)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    "kind", ["padding behind", "padding in front", "none is padded", "a row of padding", "numbers"]
)
@pytest.mark.parametrize("norm", [True, False])
def test_an_encoder_with_a_padding_mask(kind: str, norm: bool) -> None:
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = torch.nn.TransformerEncoder(layer, 2, norm=torch.nn.LayerNorm(8) if norm else None)
    real = torch.tensor([5, 1, 3])
    padding = torch.arange(5) >= real[:, None]
    if kind == "padding in front":
        padding = padding.flip(1)
    elif kind == "none is padded":
        padding = torch.zeros_like(padding)
    elif kind == "a row of padding":
        padding[1] = True
    mask = torch.zeros(3, 5).masked_fill(padding, -torch.inf) if kind == "numbers" else padding
    same(encoder, random(3, 5, 8), src_key_padding_mask=mask)
    same(encoder, random(3, 5, 8))
    same(encoder, random(3, 5, 8), mask=torch.triu(torch.full((5, 5), -torch.inf), 1))


def test_an_encoder_off_the_nested_path_has_no_form() -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert find_form(torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)) is None


def test_an_lstm_with_projections_is_refused_with_the_remedy() -> None:
    with pytest.raises(SpecError, match=r"proj_size=2 cannot be exported.*linear layer"):
        find_form(torch.nn.LSTM(3, 4, proj_size=2))


def test_a_packed_sequence_is_refused_with_the_remedy() -> None:
    packed = torch.nn.utils.rnn.pack_padded_sequence(random(2, 3, 4), torch.tensor([3, 2]), batch_first=True)
    with pytest.raises(SpecError, match=r"GRU is called with a PackedSequence.*mask"):
        find_form(torch.nn.GRU(4, 5, batch_first=True))(packed)  # type: ignore[misc]


# How forms are swapped in


class Shared(torch.nn.Module):
    """One module in two places, another in a list of a list."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.RReLU()
        self.again = self.first
        self.nested = torch.nn.Sequential(torch.nn.ModuleList([torch.nn.RReLU()]), torch.nn.ReLU())
        self.nothing = None
        self.register_module("nobody", None)


def test_forms_are_swapped_in_and_out_wherever_the_modules_are() -> None:
    module = Shared()
    before = dict(module.named_modules(remove_duplicate=False))
    with apply_forms(module) as swapped:
        assert swapped == ["first", "again", "nested.0.0"]
        assert isinstance(module.first, torch.nn.LeakyReLU)
        assert module.first is module.again
        assert isinstance(module.nested[0][0], torch.nn.LeakyReLU)  # type: ignore[index]
    after = dict(module.named_modules(remove_duplicate=False))
    assert list(before) == list(after)
    assert all(before[name] is after[name] for name in before)


def test_modules_are_back_after_an_error() -> None:
    module = torch.nn.Sequential(torch.nn.RReLU())
    with pytest.raises(ZeroDivisionError), apply_forms(module):
        raise ZeroDivisionError
    assert type(module[0]) is torch.nn.RReLU


def test_weights_are_shared_not_copied() -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    module = torch.nn.Sequential(torch.nn.TransformerEncoder(layer, 1))
    before = {parameter.data_ptr() for parameter in module.parameters()}
    with apply_forms(module):
        assert {parameter.data_ptr() for parameter in module.parameters()} == before


def test_a_subclass_takes_the_form_only_where_it_runs_the_same_forward() -> None:
    class Renamed(torch.nn.RReLU):
        pass

    class Changed(torch.nn.RReLU):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return input

    assert isinstance(find_form(Renamed()), torch.nn.LeakyReLU)
    assert find_form(Changed()) is None


def test_a_module_with_a_hook_stays() -> None:
    module = torch.nn.RReLU()
    module.register_forward_hook(lambda *_: None)
    assert find_form(module) is None


def test_a_second_form_for_a_class_is_refused() -> None:
    with pytest.raises(ValueError, match="RReLU has an export form already"):
        form(torch.nn.RReLU)(lambda _module: None)
    assert torch.nn.RReLU in FORMS
