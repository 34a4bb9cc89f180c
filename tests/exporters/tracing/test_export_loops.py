"""Which loops are scanned, that they compute the same, and that everything else stays as its user wrote it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from exporters.tracing.forms import apply_forms
from exporters.tracing.forms import loops as module_of_loops
from exporters.tracing.forms.loops import loop_forms, scanned


def stacked(self: Any, x: torch.Tensor, *, factor: float = 2.0) -> Any:
    total = x.new_zeros(x.shape[0])
    steps = []
    for t in range(x.shape[1]):
        total = total + x[:, t] * factor
        steps.append(total * t)
    return torch.stack(steps, dim=1), torch.cat([total, total]), total


def several(self: Any, x: torch.Tensor) -> Any:
    y = x * 2
    a = b = x.new_zeros(x.shape[0], 2)
    for t in range(x.size(1) - 1):
        a, b = a + x[:, t, :], b - y[:, t]
    rows = []
    for t in range(x.shape[0]):
        b = b + x[t].sum()
        rows.append(b)
    return a, b, torch.cat(rows, 1)


@pytest.mark.parametrize(("function", "shape"), [(stacked, (3, 6)), (several, (3, 5, 2))])
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_scanned_loop_computes_what_the_loop_computes(
    function: Any, shape: tuple[int, ...], dynamic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a loop where the length is fixed; and by the scan, here run step by step."""

    def step_by_step(body: Any, first: Any, slices: Any, count: int, _names: Any) -> Any:
        carried, found = first, []
        for step in range(count):
            carried, values = body(carried, (*[part[step] for part in slices[:-1]], torch.tensor(step)))
            found.append(values)
        return carried, [torch.stack(parts) for parts in zip(*found, strict=True)]

    monkeypatch.setattr(module_of_loops, "_is_dynamic", lambda _count: dynamic)
    step_by_step.__name__ = "_scan"
    monkeypatch.setattr(module_of_loops, "_scan", step_by_step)
    module_of_loops._is_dynamic.__name__ = "_is_dynamic"  # type: ignore[attr-defined]
    found = scanned(function)
    assert found is not None
    x = torch.randn(shape)
    for one, other in zip(function(None, x), found(None, x), strict=True):
        torch.testing.assert_close(other, one)


def no_loop(self: Any, x: torch.Tensor) -> torch.Tensor:
    return x


def over_layers(self: Any, x: torch.Tensor) -> torch.Tensor:
    for layer in self.layers:
        x = layer(x)
    return x


def written_into(self: Any, x: torch.Tensor) -> torch.Tensor:
    result = torch.zeros_like(x)
    for t in range(x.shape[1]):
        result[:, t] = x[:, t]
    return result


def with_a_choice(self: Any, x: torch.Tensor) -> torch.Tensor:
    total = x[:, 0]
    for t in range(x.shape[1]):
        if t > 2:
            total = total + x[:, t]
    return total


def carries_nothing(self: Any, x: torch.Tensor) -> torch.Tensor:
    steps = []
    for t in range(x.shape[1]):
        steps.append(x[:, t])
    return torch.stack(steps)


@pytest.mark.parametrize(
    "function", [no_loop, over_layers, written_into, with_a_choice, carries_nothing, len, torch.relu]
)
def test_other_functions_stay(function: Any) -> None:
    assert scanned(function) is None


class Net(torch.nn.Module):
    forward = stacked


class Around(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Net()

    def forward(self, x: torch.Tensor) -> Any:
        return self.inner(x)


def test_the_network_gets_its_own_function_back() -> None:
    module = Around()
    with loop_forms(module):
        assert "forward" in vars(module.inner)
    assert "forward" not in vars(module.inner)
    with pytest.raises(ZeroDivisionError), apply_forms(module):
        raise ZeroDivisionError
    assert "forward" not in vars(module.inner)
    assert module.inner.forward.__func__ is stacked
