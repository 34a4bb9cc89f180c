"""Named outputs: probabilities, logits, and the embedding that the last linear layer takes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from exporters import export
from exporters.comparing.checking import check
from exporters.forward.forward_record import record_forward
from exporters.outputs.named_outputs import NamedOutputs
from runtime.card import ArrayInput, OutputCard
from runtime.errors import SpecError
from runtime.session import Session
from toolkit.builder.network import Network

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


def cards(*roles: str) -> tuple[OutputCard, ...]:
    return tuple(OutputCard(role, role) for role in roles)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3), torch.nn.Softmax(1)).eval()


def last_linear(module: torch.nn.Module, x: torch.Tensor) -> torch.nn.Linear | None:
    return record_forward(module.eval(), lambda: module(x)).head


def test_the_last_linear_layer_is_the_one_that_runs_last(network: Network) -> None:
    assert last_linear(network, X) is network[2]
    assert last_linear(torch.nn.ReLU(), X) is None

    class Backwards(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second = torch.nn.Linear(6, 3)
            self.first = torch.nn.Linear(4, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    backwards = Backwards()
    assert last_linear(backwards, X) is backwards.second


@pytest.mark.parametrize(
    "order", [("probabilities", "logits", "embedding"), ("embedding", "probabilities"), ("logits",)]
)
def test_outputs_come_in_the_order_asked_for(network: Network, order: tuple[str, ...]) -> None:
    embedding = network[1](network[0](X))
    logits = network[2](embedding)
    expected = {"embedding": embedding, "logits": logits, "probabilities": logits.softmax(1)}
    found = NamedOutputs(network, cards(*order), network[2], "softmax")(X)  # type: ignore[arg-type]
    for role, tensor in zip(order, found, strict=True):
        torch.testing.assert_close(tensor, expected[role], rtol=0, atol=0)


def test_logits_of_a_module_get_their_softmax(network: Network) -> None:
    module = network[:3]
    probabilities, logits = NamedOutputs(module, cards("probabilities", "logits"), None, None)(X)
    assert torch.equal(logits, module(X))
    assert torch.equal(probabilities, module(X).softmax(1))


def test_an_embedding_of_several_axes_is_flattened() -> None:
    linear = torch.nn.Linear(4, 3)
    module = torch.nn.Sequential(torch.nn.Unflatten(1, (1, 4)), linear, torch.nn.Flatten())
    (embedding,) = NamedOutputs(module, cards("embedding"), linear, None)(X)
    assert torch.equal(embedding, X)


def test_a_head_that_runs_twice_gives_the_input_of_its_last_run() -> None:
    head = torch.nn.Linear(4, 4)
    (embedding,) = NamedOutputs(torch.nn.Sequential(head, head), cards("embedding"), head, None)(X)
    assert torch.equal(embedding, head(X))


def test_nothing_stays_behind_on_the_callers_module(network: Network) -> None:
    named = NamedOutputs(network, cards("embedding"), network[2], "softmax")  # type: ignore[arg-type]
    named(X)
    with pytest.raises(RuntimeError):
        named(torch.rand(2, 9))  # also when it fails
    assert all(not module._forward_pre_hooks and not module._forward_hooks for module in network.modules())


def test_raw_outputs_are_the_modules_own_in_order() -> None:
    class Nested(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> object:
            return {"a": x + 1, "b": (x + 2, [x + 3])}

    found = NamedOutputs(Nested(), tuple(OutputCard(f"o{n}", "raw") for n in range(3)), None, None)(X)
    assert [float((tensor - X).mean().round()) for tensor in found] == [1, 2, 3]


class LikeItsInputs(torch.nn.Module):
    """Calls its outputs like its inputs."""

    def forward(self, image: torch.Tensor, features: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"features": image + features, "image": image * 2, "sum": image.sum(1)}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (None, ["features_out", "image_out", "sum"]),
        (("sum", "image"), ["sum", "image_out"]),
        (("features_out",), ["features_out"]),
        (("a", "b", "c"), ["a", "b", "c"]),
    ],
)
def test_outputs_called_like_inputs_get_other_names(
    asked: tuple[str, ...] | None, names: list[str], tmp_path: Path
) -> None:
    example = (X, 2 * X)
    report = export(LikeItsInputs(), tmp_path / "a.onnx", example=example, outputs=asked)
    assert [card.name for card in report.card.outputs] == names
    assert any("'image_out', because an input has its name" in note for note in report.notes) == ("image_out" in names)
    session = Session(tmp_path / "a.onnx", "cpu")
    found = session.run({"image": X.numpy(), "features": 2 * X.numpy()}, names)
    if "image_out" in names:
        np.testing.assert_allclose(found["image_out"], 2 * X.numpy())
    assert check(LikeItsInputs(), tmp_path / "a.onnx", example=example).passed


def test_an_input_called_like_an_output_that_was_asked_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="input and an output are both called 'input'"):
        export(torch.nn.Linear(4, 3), tmp_path / "a.onnx", example=X, outputs=("input",))
    with pytest.raises(SpecError, match="both called 'probabilities'"):
        inputs = (ArrayInput("probabilities", (4,)),)
        export(torch.nn.Linear(4, 3), tmp_path / "a.onnx", example=X, inputs=inputs, task="classification")
