"""The zoo loop: every family's weights say something, and whatever becomes of a network, the loop goes on."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(autouse=True)
def beside_the_scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts import each other as they do when one of them is run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in [name for name in sys.modules if name.startswith("export_zoo") or name == "separate_process"]:
        del sys.modules[name]


class Hidden(torch.nn.Module):
    """A block behind a layer scale of 1e-6 and a normalisation that begins at 0: as made, it changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(3)
        torch.nn.init.zeros_(self.norm.weight)
        self.scale = torch.nn.Parameter(torch.full((3, 1, 1), 1e-6))
        self.last = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.scale * self.norm(self.inner(x))
        return self.last(x.mean((2, 3)))


def test_fresh_weights_let_every_layer_count() -> None:
    from export_zoo_parts.zoo_weights import fresh_weights, pictures

    torch.manual_seed(0)
    module, inputs = Hidden().eval(), pictures((5, 3, 16, 20))

    def change_of_inner() -> float:
        with torch.no_grad():
            before = module(inputs)
            weight = module.inner.weight.clone()
            module.inner.weight.copy_(weight.flip(-1))
            after = module(inputs)
            module.inner.weight.copy_(weight)
            return float((after - before).abs().max() / before.abs().max())

    assert change_of_inner() == 0  # nothing would show a wrong convolution
    assert fresh_weights(module, lambda network: network(inputs)) is module
    assert change_of_inner() > 1e-3
    with torch.no_grad():
        outputs = module(inputs)
    assert 0.3 < float(outputs.std()) < 3
    assert not any(child.training for child in module.modules())
    assert module.norm.momentum == 0.1


def test_pictures_differ_in_every_row() -> None:
    from export_zoo_parts.zoo_weights import pictures

    made = pictures((3, 3, 8, 8))
    assert torch.equal(made, pictures((3, 3, 8, 8)))
    assert pictures((2, 3, 4, 8, 6)).shape == (2, 3, 4, 8, 6)
    assert float((made[0] - made[1]).abs().max()) > 0.1


def test_every_group_has_its_networks() -> None:
    pytest.importorskip("torchvision")
    from export_zoo_parts import zoo_networks

    assert len(zoo_networks.names("classification")) >= 80
    assert zoo_networks.names("classification")[-1] in ("torchvision:regnet_y_128gf", "torchvision:vit_h_14")
    assert len(zoo_networks.names("detection")) >= 12
    assert len(zoo_networks.TIMM) == len(set(zoo_networks.TIMM)) >= 60


def test_a_separate_process_answers_whatever_becomes_of_it() -> None:
    from separate_process import ProcessEnded, Separate

    separate = Separate((), time_limit=20)
    assert separate.call(math.factorial, 5) == 120
    with pytest.raises(ProcessEnded, match="ValueError: invalid literal"):
        separate.call(int, "no number")
    with pytest.raises(ProcessEnded, match="exit code 3"):
        separate.call(os._exit, 3)
    with pytest.raises(ProcessEnded, match="more than 1 s"):
        Separate((), time_limit=1).call(time.sleep, 60)


def test_the_page_says_what_passed_and_why_what_did_not() -> None:
    from export_zoo_parts.zoo_table import markdown

    passed: dict[str, Any] = {
        "name": "torchvision:small", "group": "classification", "passed": True, "input": [3, 64, 64], "parameters": 1_234_000,
        "nodes": [12, 10], "worst": 1e-6, "allowed": 2e-5, "opset": 20, "route": "torch.export", "seconds": 3.2,
        "versions": "torch 2, onnxruntime 1",
    }  # fmt: skip
    refused = {"name": "torchvision:odd", "group": "detection", "passed": False, "reason": "It has a branch."}
    order = [("torchvision:small", "classification"), ("torchvision:odd", "detection"), ("torchvision:later", "video")]
    page = markdown({entry["name"]: entry for entry in (passed, refused)}, order)
    assert "| small | 1.2 M | 3 x 64 x 64 | 12 → 10 | 1.0e-06 | 2.0e-05 | 20 | torch.export | 3 |" in page
    assert "| torchvision: classification | 1 of 1 |" in page
    assert "| torchvision: detection | 0 of 1 |" in page
    assert "- `odd`: It has a branch." in page
    assert "later" not in page


def test_patterns_choose_networks() -> None:
    pytest.importorskip("torchvision")
    import export_zoo

    assert export_zoo.wanted(["classification"], ["resnet1[89]", "vgg11"], quick=False) == [
        ("torchvision:resnet18", "classification"),
        ("torchvision:vgg11", "classification"),
    ]


@pytest.mark.slow
def test_one_network_goes_through(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    import export_zoo

    result = export_zoo.export_one("torchvision:squeezenet1_1", "classification")
    assert result["passed"], result.get("reason")
    assert result["worst"] <= result["allowed"] < 1e-3
    assert result["spread"] > 0.01
    assert result["shapes"] == ["batch size 1", "batch size 2", "batch size 5"]
