"""Mixed precision: where it is allowed, and what stays in 32 bits."""

from __future__ import annotations

import pytest
import torch
from small_training import settings, small_network, train

from runtime.errors import SpecError
from toolkit.data.dataset import Dataset
from toolkit.training.optimization.precision import Precision

CPU = torch.device("cpu")


def test_sixteen_bits_reach_the_layers_and_not_the_weights(clusters: Dataset) -> None:
    seen = set()
    network = small_network()
    network.last.register_forward_hook(lambda _module, _inputs, output: seen.add((network.training, output.dtype)))
    training = train(network, clusters, settings(precision="bf16"))
    assert seen == {(True, torch.bfloat16), (False, torch.float32)}  # measured as the exported file computes
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert training.history[-1]["loss"] < training.history[0]["loss"]


def test_it_learns_nearly_what_32_bits_do(clusters: Dataset) -> None:
    full, mixed = (train(small_network(dropout=0.0), clusters, settings(precision=p)) for p in ("fp32", "bf16"))
    assert mixed.history[-1]["loss"] == pytest.approx(full.history[-1]["loss"], rel=0.05)
    assert mixed.history[-1]["loss"] != full.history[-1]["loss"]


@pytest.mark.parametrize("loss", ["MSELoss", "l1", "huber"])
def test_a_regression_learns_in_mixed_precision(line: Dataset, loss: str) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 1))
    training = train(network, line, settings("regression", loss=loss, precision="bf16", epochs=40, lr=0.1))
    assert training.history[-1]["val_r2"] > 0.95


def test_fp16_is_refused_on_the_cpu(clusters: Dataset) -> None:
    with pytest.raises(
        SpecError, match=r"precision='fp16' was given for a training on cpu; it needs CUDA. Use .*'bf16'"
    ):
        train(small_network(), clusters, settings(precision="fp16"))


def test_without_scaling_there_is_nothing_to_keep() -> None:
    assert Precision("bf16", CPU).state() == {}
    Precision("fp32", CPU).restore({})
    with Precision("fp32", CPU).autocast():
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_on_cuda(clusters: Dataset, precision: str) -> None:
    from small_training import interrupted_at, same, weights

    asked = settings(precision=precision, ema=0.9, accumulate=2, clip_norm=1.0)
    whole = train(small_network().cuda(), clusters, asked)
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]
    assert bool(whole.precision.state()) == (precision == "fp16")
    state = interrupted_at(small_network().cuda(), clusters, asked, 4)
    again = train(small_network(seed=5).cuda(), clusters, asked, resume=state)
    assert same(weights(whole.network), weights(again.network))
