"""Optimisers by name: torch's own, with torch's own options."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit.training.optimization.optimizers import (
    OPTIMIZERS,
    find_optimizer,
    make_optimizer,
    needs_closure,
    usual_rate,
)

# options of each that differ from torch's defaults
OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.8, "nesterov": True},
    "adam": {"betas": [0.8, 0.99], "amsgrad": True},
    "adamw": {"eps": 1e-6},
    "adamax": {"betas": [0.8, 0.99]},
    "nadam": {"momentum_decay": 0.01},
    "radam": {"decoupled_weight_decay": True},
    "sparseadam": {"betas": [0.8, 0.99]},
    "adagrad": {"lr_decay": 0.01},
    "adadelta": {"rho": 0.8},
    "rmsprop": {"momentum": 0.5, "centered": True},
    "rprop": {"etas": [0.4, 1.3]},
    "asgd": {"lambd": 0.001},
    "lbfgs": {"history_size": 5, "max_iter": 3, "line_search_fn": "strong_wolfe"},
}


def weights() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(2))]


def embedding(name: str) -> torch.nn.Embedding:
    torch.manual_seed(0)
    return torch.nn.Embedding(4, 3, sparse=OPTIMIZERS[name].sparse)


def train(name: str, optimizer: torch.optim.Optimizer, table: torch.nn.Embedding, steps: int = 20) -> list[float]:
    """The losses of classes 0, 1, 2 from the tokens 0, 1, 2."""
    values = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(table(torch.arange(3)), torch.arange(3))
        value.backward()
        return value

    for _ in range(steps):
        if needs_closure(name):
            value = optimizer.step(closure)
        else:
            value = closure()
            optimizer.step()
        values.append(float(torch.as_tensor(value).detach()))
    return values


def test_names_are_found_without_case() -> None:
    names = ("Adam", "SGD", "RMSprop", "ASGD", "Adagrad", "AdamW", "sparse_adam", "L-BFGS")
    assert [find_optimizer(name) for name in names] == [
        "adam", "sgd", "rmsprop", "asgd", "adagrad", "adamw", "sparseadam", "lbfgs",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["Adamm", "", 3, None])
def test_an_unknown_name_suggests(name: Any) -> None:
    with pytest.raises(SpecError, match=r"There is no optimiser .*(Did you mean|Known names)"):
        find_optimizer(name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_torchs_own_with_the_usual_rate_unless_another_is_given(name: str) -> None:
    decay = 0.25 if OPTIMIZERS[name].decays else 0.0
    found = make_optimizer(name.upper(), weights(), None, decay, peak=4.0)
    assert type(found).__name__.lower() == name
    assert found.param_groups[0]["lr"] == 4 * usual_rate(name)
    assert found.param_groups[0].get("weight_decay", 0.0) == decay
    assert make_optimizer(name, weights(), 0.5, 0.0, peak=4.0).param_groups[0]["lr"] == 0.5
    assert OPTIMIZERS[name].doc.endswith(".")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_comes_back_from_json_and_makes_the_steps_of_torchs_own(name: str) -> None:
    setting = find_optimizer(json.loads(json.dumps({"name": name, **OPTIONS[name]})))
    assert find_optimizer(json.loads(json.dumps(setting))) == setting
    ours, theirs = embedding(name), embedding(name)
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in OPTIONS[name].items()}
    constructor = OPTIMIZERS[name].constructor
    values = train(name, make_optimizer(setting, list(ours.parameters()), 0.05, 0.0), ours)
    extra = {"weight_decay": 0.0} if name == "adamw" else {}
    expected = train(name, constructor(theirs.parameters(), lr=0.05, **extra, **options), theirs)  # type: ignore[call-arg]
    assert values == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(ours.weight, theirs.weight)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_its_usual_rate_lowers_the_loss(name: str) -> None:
    table = embedding(name)
    values = train(name, make_optimizer(name, list(table.parameters()), None, 0.0), table)
    assert values[-1] < values[0]


def test_sgd_has_momentum() -> None:
    assert make_optimizer("sgd", weights(), None, 0.0).param_groups[0]["momentum"] == 0.9
    assert make_optimizer({"name": "SGD", "momentum": 0}, weights(), None, 0.0).param_groups[0]["momentum"] == 0


def test_one_kernel_updates_all_weights_where_torch_has_it() -> None:
    fused = [name for name in OPTIMIZERS if make_optimizer(name, weights(), None, 0.0).param_groups[0].get("fused")]
    assert fused == ["sgd", "adam", "adamw", "adagrad"]
    setting = {"name": "adam", "fused": False}
    assert make_optimizer(setting, weights(), None, 0.0).param_groups[0]["fused"] is False


def test_groups_keep_their_own_rates_and_decays() -> None:
    groups = [{"params": weights(), "lr": 0.1, "weight_decay": 0.0, "name": "a"}, {"params": weights()}]
    found = make_optimizer("adamw", groups, 0.2, 0.3).param_groups
    assert [(group["lr"], group["weight_decay"]) for group in found] == [(0.1, 0.0), (0.2, 0.3)]
    merged = make_optimizer("lbfgs", [{**group, "lr": 0.1, "weight_decay": 0.0} for group in groups], 0.2, 0.0)
    assert [(len(group["params"]), group["lr"]) for group in merged.param_groups] == [(2, 0.1)]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"name": "sgd", "momentun": 0.9}, "has no option 'momentun'. Did you mean 'momentum'?"),
        ({"name": "sgd", "momentum": "much"}, "momentum='much' was given; a number is expected"),
        ({"name": "sgd", "momentum": -1}, "Invalid momentum value: -1"),
        ({"name": "sgd", "momentum": 0, "nesterov": True}, "Nesterov momentum requires a momentum"),
        ({"name": "adam", "betas": [0.9]}, "a list of 2 numbers is expected"),
        ({"name": "adam", "lr": 0.1}, "it is a setting of the training: train(lr=...)"),
        ({"name": "adam", "weight_decay": 0.1}, "train(weight_decay=...)"),
        ({"name": "adam", "maximize": True}, "has no option 'maximize'"),
        ({"momentum": 0.9}, "has no name"),
    ],
)
def test_a_wrong_option_is_told(setting: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_optimizer(setting)
    assert words in str(caught.value)


def test_what_an_optimiser_cannot_do_is_told() -> None:
    for name in ("rprop", "sparseadam", "lbfgs"):
        with pytest.raises(SpecError, match=f"{name}' takes no weight_decay; these do: sgd, adam"):
            make_optimizer(name, weights(), None, 0.1)
    with pytest.raises(SpecError, match="one learning rate for all layers"):
        make_optimizer("lbfgs", [{"params": weights(), "lr": 0.1}, {"params": weights(), "lr": 0.2}], None, 0.0)
    assert [name for name in OPTIMIZERS if needs_closure(name)] == ["lbfgs"]
