"""Attention where no key is open to a query: 0 or NaN as torch gives, in the forms and in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from exporters import export
from exporters.settings import ExportSettings
from exporters.subject.assembly import make_subject
from exporters.tracing.forms import apply_forms
from exporters.tracing.forms.attention import attention
from exporters.verifying.probes import make_probes
from runtime.session import Session

pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def masks(rows: int = 4, length: int = 5) -> torch.Tensor:
    """True where a key is open: everywhere; nowhere; at the beginning; at the end."""
    mask = torch.ones(rows, length, dtype=torch.bool)
    mask[1], mask[2, 3:], mask[3, :2] = False, False, False
    return mask


def additive(mask: torch.Tensor) -> torch.Tensor:
    return torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)


def heads(count: int, length: int, seed: int) -> torch.Tensor:
    return numbers(4, count, length, 6, seed=seed)


QUERY = masks(4, 3)[:, None, :, None].expand(4, 1, 3, 5)


@pytest.mark.parametrize(
    ("parts", "options"),
    [
        ((heads(2, 3, 0), heads(2, 5, 1), heads(2, 5, 2)), {"attn_mask": masks()[:, None, None]}),
        ((heads(2, 3, 0), heads(2, 5, 1), heads(2, 5, 2)), {"attn_mask": additive(masks())[:, None, None]}),
        ((heads(2, 3, 0), heads(2, 5, 1), heads(2, 5, 2)), {"attn_mask": QUERY}),
        ((heads(2, 3, 0), heads(2, 5, 1), heads(2, 5, 2)), {"attn_mask": QUERY[1, 0], "scale": 0.3}),
        ((heads(4, 3, 0), heads(2, 5, 1), heads(2, 5, 2)), {"attn_mask": masks()[:, None, None], "enable_gqa": True}),
        ((heads(4, 3, 0), heads(2, 5, 1), heads(2, 5, 2)), {"enable_gqa": True, "is_causal": True}),
        ((heads(4, 5, 0), heads(1, 3, 1), heads(1, 3, 2)), {"enable_gqa": True, "is_causal": True}),
        ((numbers(4, 3, 6), numbers(4, 5, 6), numbers(4, 5, 6)), {"attn_mask": masks()[:, None].expand(4, 3, 5)}),
        ((numbers(4, 3, 6), numbers(4, 5, 6), numbers(4, 5, 6)), {"attn_mask": QUERY[1, 0]}),
        ((numbers(3, 6), numbers(5, 6), numbers(5, 6)), {"attn_mask": QUERY[1, 0]}),
        ((numbers(2, 4, 2, 3, 6), numbers(2, 4, 2, 5, 6), numbers(2, 4, 2, 5, 6)), {"attn_mask": masks()[:, None, None]}),
    ],
)  # fmt: skip
def test_attention_is_torchs_where_no_key_is_open(parts: tuple[torch.Tensor, ...], options: dict[str, Any]) -> None:
    expected = functional.scaled_dot_product_attention(*parts, **options)
    torch.testing.assert_close(attention(*parts, **options), expected)


class Scaled(nn.Module):
    """Attention by functional.scaled_dot_product_attention, of grouped heads."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.pair = nn.Linear(8, 16), nn.Linear(8, 16)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        query = self.query(x).unflatten(-1, (4, 4)).transpose(1, 2)
        key, value = self.pair(x).unflatten(-1, (4, 4)).transpose(1, 2).chunk(2, 1)
        mixed = functional.scaled_dot_product_attention(query, key, value, mask[:, None, None], enable_gqa=True)
        return mixed.transpose(1, 2).flatten(2)


class Multihead(nn.Module):
    def __init__(self, heads: int = 2, additive: bool = False, need_weights: bool = False) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, heads, batch_first=True)
        self.additive, self.need_weights = additive, need_weights

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        closed = additive(mask) if self.additive else ~mask
        result: torch.Tensor = self.attention(x, x, x, key_padding_mask=closed, need_weights=self.need_weights)[0]
        return result


class Encoder(nn.Module):
    def __init__(self, nested: bool = False, heads: int = 2, **options: Any) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, heads, 16, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.encoder(x, src_key_padding_mask=~mask)
        return result


class Causal(nn.Module):
    """The first positions see no key where the beginning is padding."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        result: torch.Tensor = self.layer(x, src_mask=later, src_key_padding_mask=~mask)
        return result


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layer(x, x, tgt_key_padding_mask=~mask, memory_key_padding_mask=~mask)
        return result


class Softmax(nn.Module):
    """NaN in torch, where all is masked."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (x @ x.mT).masked_fill(~mask[:, None], -torch.inf).softmax(-1) @ x


NETWORKS: list[Callable[[], nn.Module]] = [
    Scaled, Multihead, lambda: Multihead(1), lambda: Multihead(additive=True), lambda: Multihead(need_weights=True),
    Encoder, lambda: Encoder(nested=True), lambda: Encoder(heads=1), lambda: Encoder(norm_first=True),
    lambda: Encoder(activation=functional.elu), Causal, Decoder, Softmax,
]  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_forms_say_what_torch_says_where_no_key_is_open(network: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    module = nn.Sequential()
    module.network = network().eval()  # type: ignore[assignment]
    module.forward = module.network.forward  # type: ignore[assignment, method-assign]
    x, mask = numbers(4, 5, 8), masks()
    with torch.no_grad():
        for given in (mask, mask[[0, 1, 2]], mask[[0, 2]]):
            expected = module(x[: len(given)], given)
            with apply_forms(module):
                found = module(x[: len(given)], given)
            torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", [Scaled, Multihead, lambda: Encoder(nested=True), Softmax])
def test_files_say_what_torch_says_where_no_key_is_open(network: Callable[[], nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, path = network().eval(), tmp_path / "n.onnx"
    ok = torch.ones(3, 6, dtype=torch.bool)
    ok[2, 3:] = False
    axes = {0: "batch", 1: "length"}
    report = export(module, path, example=(numbers(3, 6, 8), ok), dynamic={"x": axes, "mask": axes})
    assert any("a row of 'mask' all False" in shape for shape in report.parity.shapes)
    x, mask = numbers(4, 5, 8), masks()
    found = next(iter(Session(path, "cpu").run({"x": x.numpy(), "mask": mask.numpy()}).values()))
    with torch.no_grad():
        np.testing.assert_allclose(found, module(x, mask).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("mask", "values"),
    [
        (masks()[[0, 2, 1, 3]], {False, True}),
        (masks()[[0, 2, 1, 3]].long(), {0, 1}),
        (additive(masks()[[0, 2, 3, 0]]), {-float("inf")}),
        (numbers(4, 5), set()),
        (torch.arange(20).reshape(4, 5), set()),
    ],
)
def test_masks_are_probed_with_rows_of_one_value(mask: torch.Tensor, values: set[float]) -> None:
    class Sum(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return x.sum(-1) * mask

    subject = make_subject(Sum(), example=(numbers(4, 5, 8), mask), settings=ExportSettings())
    probes = [probe for probe in make_probes(subject) if "'mask'" in probe.label]
    found = {probe.inputs[1][-1].unique().item() for probe in probes}
    assert found == values
    assert all(probe.inputs[1].shape == (2, 5) for probe in probes)
