"""Export forms that compute in torch are compared with their modules there, over many shapes; and how forms are swapped in."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.subject.lengths import cycle
from exporters.tracing.forms import FORMS, apply_forms, find_form, form, functions
from exporters.tracing.forms.adaptive_pooling import adaptive_average, adaptive_maximum
from exporters.tracing.forms.average_pooling import average_rounded_up
from model_zoo.layers.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool
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
@given(st.lists(st.tuples(lengths, st.integers(1, 15) | st.none()), min_size=1, max_size=3), st.booleans())
def test_adaptive_pooling_to_any_size(axes: list[tuple[int, int | None]], average: bool) -> None:
    shape, size = zip(*axes, strict=True)
    kind = f"Adaptive{'Avg' if average else 'Max'}Pool{len(axes)}d"
    module = getattr(torch.nn, kind)(size if len(axes) > 1 else size[0] or 2)
    pool = adaptive_average if average else adaptive_maximum
    inputs = random(2, 3, *shape)
    torch.testing.assert_close(pool(inputs, module.output_size, len(axes)), module(inputs), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("size", [(3, 7), (1, 1), (None, 2), (5, 4)])
def test_adaptive_pooling_of_the_zoo_is_torchs(size: tuple[int | None, int | None]) -> None:
    same(AdaptiveAvgPool(size, 2), random(2, 3, 5, 4))
    same(AdaptiveMaxPool(size, 2), random(2, 3, 5, 4))


def called(function: Any, *inputs: Any, **options: Any) -> Any:
    """Call a function of torch while the forms are swapped in."""

    class Calls(torch.nn.Module):
        def forward(self, *given: Any) -> Any:
            return function(*given, **options)

    module = Calls()
    with apply_forms(module):
        return module(*inputs)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_pooling_over_one_axis(data: st.DataObject) -> None:
    kernel, stride, dilation = (data.draw(st.integers(1, 4)) for _ in range(3))
    options = {"padding": data.draw(st.integers(0, kernel // 2)), "ceil_mode": data.draw(st.booleans())}
    inputs = random(2, 3, data.draw(st.integers(13, 20)))
    pool = torch.nn.functional.max_pool1d
    expected = pool(inputs, kernel, stride, dilation=dilation, return_indices=True, **options)
    found = called(pool, inputs, kernel, stride, dilation=dilation, return_indices=True, **options)
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_average_pooling_rounded_up(data: st.DataObject) -> None:
    kernel = tuple(data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=2)))
    stride = tuple(data.draw(st.integers(1, 4)) for _ in kernel)
    padding = tuple(data.draw(st.integers(0, size // 2)) for size in kernel)
    counted = data.draw(st.booleans())
    inputs = random(2, 3, data.draw(st.integers(4, 9)), data.draw(st.integers(4, 9)))
    found = average_rounded_up(inputs, kernel, stride, padding, counted)
    expected = torch.nn.functional.avg_pool2d(inputs, kernel, stride, padding, True, counted)
    inside = all(size >= pad + step for size, pad, step in zip(kernel, padding, stride, strict=True))
    assert (found is not None) == inside
    if found is not None:
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


NUMERIC: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    *[(torch.cdist, (random(2, 5, 3), random(2, 4, 3)), {"p": p}) for p in (0.0, 1.0, 2.0, 3.0, float("inf"))],
    (torch.cumprod, (random(3, 6, 2), 1), {}),
    (torch.Tensor.cumprod, (random(3, 6, 2).round(), -1), {}),
    *[(torch.median, (random(3, length, 2), 1), {}) for length in (1, 4, 5)],
    (torch.Tensor.median, (random(3, 4),), {}),
    (torch.kthvalue, (random(3, 4, 2), 3, 1), {"keepdim": True}),
    (torch.searchsorted, (torch.tensor([-1.0, 0.0, 0.0, 2.0]), torch.tensor([[-2.0, 0.0], [2.0, 3.0]])), {}),
    (torch.searchsorted, (random(3, 4).sort().values, random(3, 2)), {"right": True, "out_int32": True}),
    (torch.nn.functional.scaled_dot_product_attention, (random(2, 4, 6), random(2, 5, 6), random(2, 5, 6)), {}),
    (torch.nn.functional.scaled_dot_product_attention, (random(2, 4, 6),) * 3, {"is_causal": True}),
    (torch.nn.functional.affine_grid, (random(2, 2, 3), (2, 3, 4, 5)), {"align_corners": False}),
    (torch.nn.functional.affine_grid, (random(2, 2, 3), (2, 3, 4, 5)), {"align_corners": True}),
    (torch.nn.functional.interpolate, (random(2, 3, 7, 5), (3, 4)), {"mode": "area"}),
    (torch.nn.functional.interpolate, (random(2, 3, 7),), {"mode": "area", "scale_factor": 0.4}),
    (torch.nn.functional.interpolate, (random(2, 3, 7, 5), (3, 4)), {"mode": "bilinear"}),
]


@pytest.mark.parametrize(("function", "inputs", "options"), NUMERIC)
def test_functions_say_what_torch_says(function: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
    expected, found = function(*inputs, **options), called(function, *inputs, **options)
    pairs = [(expected, found)] if isinstance(expected, torch.Tensor) else zip(expected, found, strict=True)
    for one, other in pairs:
        torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-5)


def test_a_function_known_by_another_name_is_swapped_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = cycle
    monkeypatch.setattr(functions, "_PYTHON_FORMS", {("exporters.subject.lengths", "cycle"): lambda *_: "swapped"})
    monkeypatch.setitem(globals(), "renamed", ordinary)
    module = torch.nn.Identity()
    with apply_forms(module):
        assert globals()["renamed"](random(2), 3) == "swapped"
    assert globals()["renamed"] is ordinary
    assert "forward" not in vars(module)


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


def test_a_sequence_without_a_batch_is_refused_with_the_remedy() -> None:
    with pytest.raises(SpecError, match=r"GRU is called with shape \(3, 4\).*batch axis"):
        find_form(torch.nn.GRU(4, 5, batch_first=True))(random(3, 4))  # type: ignore[misc]


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
