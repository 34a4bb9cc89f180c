"""A user's own modules: as a class or as an instance, kept in JSON by name, and given again when it is read back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder import own_modules
from toolkit.builder.own_modules import forget_modules, register_module, register_modules
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check
from toolkit.builder.summary import summarize


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Leave the registry as it was."""
    before = dict(own_modules._REGISTERED)
    forget_modules()
    yield
    forget_modules()
    own_modules._REGISTERED.update(before)


class Widen(torch.nn.Module):
    """(N, 4) -> (N, width)."""

    def __init__(self, width: int = 5, sizes: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, width)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.scale


class ByNumbers(torch.nn.Module):
    """Looks at its numbers, so that it cannot run on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        return y + torch.from_numpy(np.asarray(y.detach().sum().item() * np.ones(3, np.float32)))


def spec(*layers: tuple[Any, dict[str, Any]], shape: tuple[int, ...] = (4,)) -> NetworkSpec:
    return NetworkSpec(
        shape, tuple(LayerSpec.parse(layer, arguments, None, n) for n, (layer, arguments) in enumerate(layers, 1))
    )


def through_json(value: NetworkSpec) -> NetworkSpec:
    return NetworkSpec.from_dict(json.loads(json.dumps(value.to_dict())))


def test_a_class_with_arguments_is_kept_by_name() -> None:
    given = spec((Widen, {"width": 7, "sizes": [1, 2]}), ("linear", {"size": 2}))
    complete, shapes = check(given)
    assert shapes == [(7,), (2,)]
    assert complete.to_dict()["layers"][0]["arguments"] == {"name": "Widen", "options": {"width": 7, "sizes": (1, 2)}}
    assert complete.layers[1].arguments["size"] == (7, 2)
    again = through_json(complete)
    assert again == complete
    torch.manual_seed(0)
    first = build(given)
    torch.manual_seed(0)
    second = build(again)
    names = ["Widen1.scale", "Widen1.linear.weight", "Widen1.linear.bias", "linear2.weight", "linear2.bias"]
    assert list(first.state_dict()) == names
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))


def test_an_instance_keeps_its_weights_and_is_not_touched() -> None:
    module = Widen(6).train()
    given = spec((module, {}), ("dropout", {}))
    given = NetworkSpec((4,), given.layers, init="zeros")  # it came with weights
    assert check(given)[1] == [(6,), (6,)]
    network = build(given)
    assert network[0] is not module
    assert torch.equal(network[0].linear.weight, module.linear.weight)
    assert module.training
    assert module.linear.weight.device.type == "cpu"


def test_two_instances_of_one_class_are_told_apart_by_their_order() -> None:
    narrow, wide = Widen(4), Widen(9)
    saved = json.dumps(spec((narrow, {}), (wide, {})).to_dict())
    forget_modules()
    register_modules([Widen(4), Widen(9)])
    assert check(NetworkSpec.from_dict(json.loads(saved)))[1] == [(4,), (9,)]


def test_an_unknown_module_says_how_to_give_it() -> None:
    saved = json.dumps(spec((Widen, {"width": 7})).to_dict())
    forget_modules()
    message = "layer 1: the network holds a module of its maker's own, 'Widen', and a checkpoint keeps no code."
    with pytest.raises(SpecError, match=re.escape(message) + r".*nn\.load\(path, modules=\[Widen\]\)"):
        NetworkSpec.from_dict(json.loads(saved))
    register_modules([Widen])
    assert check(NetworkSpec.from_dict(json.loads(saved)))[1] == [(7,)]
    register_module("Widen", lambda width: torch.nn.Linear(4, width + 1))
    assert check(NetworkSpec.from_dict(json.loads(saved)))[1] == [(8,)]


def test_a_class_that_was_added_as_an_instance_is_made_without_arguments_where_it_can_be() -> None:
    class Needs(torch.nn.Linear):
        def __init__(self, width: int) -> None:
            super().__init__(4, width)

    first = json.dumps(spec((Widen(), {})).to_dict())
    second = json.dumps(spec((Needs(3), {})).to_dict())
    register_modules({"Widen": Widen, "Needs": Needs})
    assert check(NetworkSpec.from_dict(json.loads(first)))[1] == [(5,)]
    with pytest.raises(SpecError, match=r"It was added as an instance: give one, modules=\[Needs\(...\)\]"):
        check(NetworkSpec.from_dict(json.loads(second)))


def test_a_function_may_make_the_module() -> None:
    def two_layers(width: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU())

    assert check(spec((two_layers, {"width": 3})))[1] == [(3,)]


@pytest.mark.parametrize("added", [ByNumbers, ByNumbers()], ids=["class", "instance"])
def test_a_forward_that_needs_numbers_is_tried_on_zeros(added: Any) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    given = spec(("linear", {"size": 4}), (added, {}), ("linear", {"size": 2}))
    complete, shapes = check(given)
    assert shapes == [(4,), (3,), (2,)]
    assert torch.equal(torch.rand(2), expected)  # looking draws no numbers
    network = build(complete)
    assert network(torch.rand(5, 4)).shape == (5, 2)
    assert [row.output_shape for row in summarize(network, (4,)).rows] == [(4,), (3,), (2,)]
    with torch.device("meta"):
        summary = summarize(build(complete), (4,))
    assert summary.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_of_a_tuple_the_first_tensor_goes_on() -> None:
    lstm = torch.nn.LSTM(4, 3, batch_first=True)
    assert check(spec((lstm, {}), ("part0", {}), shape=(6, 4)))[1] == [(6, 3), (6, 3)]


class Odd(torch.nn.Module):
    def __init__(self, kind: str = "dictionary") -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: torch.Tensor) -> Any:
        if self.kind == "raises":
            raise KeyError("no such thing")
        return {"dictionary": {"a": x}, "scalar": x.sum(), "batch": x[:1]}[self.kind]


@pytest.mark.parametrize(
    ("added", "arguments", "message"),
    [
        (
            Widen(),
            {"width": 3},
            "layer 1: width were given beside a finished Widen. Give the class: add(Widen, width=3).",
        ),
        (Widen, {"width": torch.ones(1)}, "layer 1 'Widen': width=tensor([1.]) was given, which JSON cannot keep"),
        (Widen, {"width": float("inf")}, "layer 1 'Widen': width=inf was given, which JSON cannot keep"),
        (Widen, {"width": -3}, "layer 1 'Widen' does not fit its input (N, 4): Widen(width=-3) failed: "),
        (Widen, {"height": 3}, "Widen(height=3) failed: "),
        (
            dict,
            {},
            "layer 1: <class 'dict'> was given; the name of a layer, a torch.nn.Module or its class is expected.",
        ),
        (torch.ones(3), {}, "There is no layer tensor"),
        (Odd, {"kind": "scalar"}, "it returns () for a batch of 2; a tensor with the batch axis first is expected."),
        (Odd, {"kind": "batch"}, "it returns (1, 4) for a batch of 2; a tensor with the batch axis first is expected."),
        (Odd("raises"), {}, "layer 1 'Odd' does not fit its input (N, 4): 'no such thing'."),
        ("module", {"name": "Nobody"}, "the network holds a module of its maker's own, 'Nobody'"),
        (
            "module",
            {"title": "Nobody"},
            "layer 1: {'title': 'Nobody'} was given; name and options of a module are expected.",
        ),
    ],
)
def test_what_is_no_module_is_refused(added: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(spec((added, arguments)))
    assert message in str(caught.value)


def test_several_outputs_by_name_come_from_the_last_layer_only() -> None:
    assert check(spec((Odd, {})))[1] == [(4,)]
    with pytest.raises(SpecError) as caught:
        check(spec((Odd, {}), ("flatten", {})))
    assert str(caught.value) == (
        "layer 2 'flatten': the layer before it gives several outputs by name (a); only the last layer of a network may. Let it "
        "return one tensor."
    )


class Joined(torch.nn.Module):
    def forward(self, picture: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        return torch.cat([picture.flatten(1), row], 1)


def test_several_inputs_go_to_a_first_layer_of_one_s_own() -> None:
    further = (((3,), "float32"),)
    several = NetworkSpec((1, 2, 2), spec((Joined, {}), ("linear", {"size": 5})).layers, further_inputs=further)
    assert check(several)[1] == [(7,), (5,)]
    network = build(check(several)[0])
    assert network(torch.rand(6, 1, 2, 2), torch.rand(6, 3)).shape == (6, 5)
    again = NetworkSpec.from_dict(several.to_dict())
    assert again == several
    assert again.further_inputs == further
    plain = NetworkSpec((1, 2, 2), spec(("linear", {"size": 5})).layers, further_inputs=further)
    with pytest.raises(SpecError, match="layer 1 'linear' takes one input, and the data has 2"):
        check(plain)


@pytest.mark.parametrize("modules", [Widen, Widen(), "Widen", 7, [3], ["Widen"], {"": Widen}])
def test_what_is_no_list_of_modules_is_refused(modules: Any) -> None:
    with pytest.raises(SpecError, match=r"was given"):
        register_modules(modules)
