"""Which weights learn, at which rate and with how much decay."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from runtime.errors import SpecError
from toolkit.training.optimization.optimizers import make_optimizer
from toolkit.training.optimization.parameter_groups import (
    freeze_layers,
    freezing_kept,
    frozen_norms,
    matching_layers,
    parameter_groups,
)
from toolkit.training.settings import Settings


def network() -> nn.Sequential:
    torch.manual_seed(0)
    block = nn.Sequential(OrderedDict(conv=nn.Conv2d(2, 2, 3), norm=nn.BatchNorm2d(2), act=nn.PReLU()))
    return nn.Sequential(
        OrderedDict(backbone=block, flatten=nn.Flatten(), norm=nn.LayerNorm([8]), linear=nn.Linear(8, 3))
    )


def settings(**changes: Any) -> Settings:
    return Settings(**{"optimizer": "adam", "loss": "MSELoss", "metrics": (), "seed": 0, "lr": 0.1, **changes})


def names(module: nn.Module, group: dict[str, Any]) -> set[str]:
    known = {id(parameter): name for name, parameter in module.named_parameters()}
    return {known[id(parameter)] for parameter in group["params"]}


def learning(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def test_names_match_with_stars_without_case() -> None:
    known = [name for name, _ in network().named_modules()]
    assert matching_layers("Backbone", known) == ["backbone"]
    assert matching_layers("back*", known) == ["backbone", "backbone.conv", "backbone.norm", "backbone.act"]
    assert matching_layers("*norm", known) == ["backbone.norm", "norm"]
    with pytest.raises(SpecError, match=r"No layer is called 'liner'. Did you mean 'linear'\?"):
        matching_layers("liner", known)
    with pytest.raises(SpecError, match=r"No layer is called 'backbone.con'. Did you mean 'backbone.conv'"):
        matching_layers("backbone.con", known)


def test_all_weights_are_one_group_where_nothing_is_asked() -> None:
    module = network()
    (group,) = parameter_groups(module, settings(weight_decay=0.2))
    assert (group["lr"], group["weight_decay"], group["name"]) == (0.1, 0.2, "all")
    assert names(module, group) == {name for name, _ in module.named_parameters()}
    (usual,) = parameter_groups(module, settings(lr=None, schedule="onecycle"))
    assert usual["lr"] == 4 * 0.001
    (given,) = parameter_groups(module, settings(), 0.7)
    assert given["lr"] == 0.7


def test_biases_and_normalisation_weights_of_any_shape_do_not_decay() -> None:
    module = nn.Sequential(nn.Conv1d(2, 3, 2), nn.LayerNorm([3, 4]), nn.GRU(4, 5), nn.BatchNorm1d(3), nn.PReLU())
    decayed, other = parameter_groups(module, settings(weight_decay=0.2, decay_all=False))
    assert names(module, decayed) == {"0.weight", "2.weight_ih_l0", "2.weight_hh_l0"}
    assert (decayed["weight_decay"], other["weight_decay"], other["name"]) == (0.2, 0.0, "all without decay")
    assert len(parameter_groups(module, settings(decay_all=False))) == 1  # nothing decays at all


def test_factors_of_the_rate_the_last_pattern_counts() -> None:
    module = network()
    groups = parameter_groups(
        module, settings(rates={"backbone": 0.1, "*conv": 0.01}, weight_decay=0.1, decay_all=False)
    )
    found = {group["name"]: (names(module, group), group["lr"]) for group in groups}
    assert found == {
        "all": ({"linear.weight"}, 0.1),
        "all without decay": ({"norm.weight", "norm.bias", "linear.bias"}, 0.1),
        "*conv": ({"backbone.conv.weight"}, pytest.approx(0.001)),
        "*conv without decay": ({"backbone.conv.bias"}, pytest.approx(0.001)),
        "backbone without decay": (
            {"backbone.norm.weight", "backbone.norm.bias", "backbone.act.weight"},
            pytest.approx(0.01),
        ),
    }
    assert next(iter(found)) == "all"
    optimizer = make_optimizer("adam", groups, 0.1, 0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [group["lr"] for group in groups]


def test_frozen_layers_are_left_out_and_learn_again_without_it() -> None:
    module = network()
    module.linear.bias.requires_grad_(False)  # by the user's own hand
    (group,) = parameter_groups(module, settings(freeze=("backbone*", "norm")))
    assert names(module, group) == {"linear.weight"} == learning(module)
    assert frozen_norms(module, ("backbone*", "norm")) == [module.backbone.norm]
    assert frozen_norms(module, ("linear",)) == frozen_norms(module, ()) == []
    freeze_layers(module, ("backbone.conv",))
    assert learning(module) == {
        "backbone.norm.weight", "backbone.norm.bias", "backbone.act.weight", "norm.weight", "norm.bias", "linear.weight",
    }  # fmt: skip
    parameter_groups(module, settings())
    assert learning(module) == {name for name, _ in module.named_parameters()} - {"linear.bias"}


def test_freezing_can_be_undone_as_a_whole() -> None:
    module = network()
    freeze_layers(module, ("norm",))
    before = learning(module)
    with freezing_kept(module):
        freeze_layers(module, ("backbone",))
    assert learning(module) == before
    freeze_layers(module, ())
    assert "norm.weight" in learning(module)


def test_a_frozen_weight_stays_in_a_step() -> None:
    module = network()
    groups = parameter_groups(module, settings(freeze=("backbone",)))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.eval()
    module(torch.rand(2, 2, 4, 4)).sum().backward()
    make_optimizer("sgd", groups, 0.1, 0.0).step()
    changed = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"norm.weight", "norm.bias", "linear.weight", "linear.bias"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"freeze": ("*",)}, "The network has no weights to learn. freeze=['*'] freezes every layer"),
        ({"freeze": ("conv",)}, "No layer is called 'conv'."),
        ({"rates": {"head": 2.0}}, "No layer is called 'head'. Known names: backbone, flatten, linear, norm."),
        ({"optimizer": "SparseAdam"}, "is for embeddings with sparse=True only, and 'backbone.conv.weight' is none"),
    ],
)
def test_what_cannot_be_done_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        parameter_groups(network(), settings(**changes))
    assert words in str(caught.value)


def test_sparse_embeddings_go_with_some_optimisers_only() -> None:
    both = nn.Sequential(OrderedDict(embedding=nn.Embedding(5, 4, sparse=True), linear=nn.Linear(4, 2)))
    for name in ("adam", "rmsprop"):
        with pytest.raises(SpecError, match=f"do not go together with the optimiser '{name}'. Use one of sgd, adagrad"):
            parameter_groups(both, settings(optimizer=name))
    with pytest.raises(SpecError, match="do not go together with weight_decay"):
        parameter_groups(both, settings(optimizer="sgd", weight_decay=0.1))
    with pytest.raises(SpecError, match=r"'linear.weight' is none. Freeze all other layers"):
        parameter_groups(both, settings(optimizer="SparseAdam"))
    for changes in ({"optimizer": "sgd"}, {"optimizer": "sparse_adam", "freeze": ("linear",)}):
        asked = settings(**changes)
        optimizer = make_optimizer(asked.optimizer, parameter_groups(both, asked), 0.1, 0.0)
        before = both.embedding.weight.detach().clone()
        both(torch.tensor([1, 3])).sum().backward()
        optimizer.step()
        moved = (both.embedding.weight.detach() != before).any(1)
        assert moved.tolist() == [False, True, False, True, False]
