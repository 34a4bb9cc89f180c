"""Evaluation mode is checked, and modules in wrappers, compiled or hooked are taken as they behave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as functional

from exporters import export
from exporters.settings import make_settings
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from runtime.errors import CheckFailed, InputError, SpecError

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def subject_of(module: torch.nn.Module, example: Any = X, **options: Any) -> Subject:
    return make_subject(module, example=example, settings=make_settings(options))


class Stubborn(torch.nn.BatchNorm1d):
    """A normalisation that is always training."""

    def train(self, mode: bool = True) -> Stubborn:
        super().train(True)
        return self


class LeftOn(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(self.linear(x), 0.5)


class Attention(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(x, x, x, dropout_p=0.3)


class Noisy(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x)


class Unused(torch.nn.Module):
    """Draws random numbers and makes nothing of them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.rand(3)
        return x + 0


@pytest.mark.parametrize(
    ("module", "example", "words"),
    [
        (torch.nn.Sequential(torch.nn.Linear(4, 4), Stubborn(4)), X, "'1' (Stubborn) stays in training mode"),
        (torch.nn.Sequential(LeftOn()), X, "'0' (LeftOn) draws random numbers"),
        (Attention(), torch.randn(2, 2, 5, 4), "attention dropout_p=0.0"),
        (Noisy(), X, "(randn_like), which a file cannot repeat. Take the random numbers in as an input"),
        (
            torch.nn.Sequential(torch.nn.BatchNorm1d(4, track_running_stats=False)),
            X,
            "'0' (BatchNorm1d) normalises by the mean and variance of the batch at hand",
        ),
        (
            torch.nn.Sequential(torch.nn.BatchNorm2d(4, track_running_stats=False)),
            torch.randn(3, 4, 5, 5),
            "a row's result depends on the rows beside it. Give it running statistics",
        ),
    ],
    ids=["stubborn", "dropout", "attention", "noise", "batchnorm alone", "batchnorm"],
)
def test_training_behaviour_in_evaluation_mode_is_refused_and_named(
    module: torch.nn.Module, example: torch.Tensor, words: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckFailed) as caught:
        export(module, tmp_path / "a.onnx", example=example)
    assert words in str(caught.value)
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize(
    ("module", "example"),
    [
        (torch.nn.InstanceNorm2d(4), torch.randn(3, 4, 5, 5)),
        (torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(4), torch.nn.RReLU()), X),
        (Unused(), X),
    ],
    ids=["instance normalisation", "ordinary layers", "unused"],
)
def test_what_only_looks_like_it_is_not_refused(module: torch.nn.Module, example: torch.Tensor) -> None:
    state = torch.get_rng_state()
    assert subject_of(module, example).notes == ()
    assert torch.equal(state, torch.get_rng_state())


def test_rows_that_a_network_mixes_on_purpose_are_noted() -> None:
    class Centred(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - x.mean(0)

    assert subject_of(Centred()).notes == ("a row's result depends on the other rows of its batch",)
    assert subject_of(Centred(), dynamic=()).notes == ()


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval()


def wrapped() -> dict[str, torch.nn.Module]:
    compiled_inside, in_place, hooked, normed = network(), network(), network(), network()
    compiled_inside[0] = torch.compile(compiled_inside[0])
    in_place.compile()
    hooked[0].register_forward_hook(lambda _module, _inputs, output: output * 2)
    torch.nn.utils.parametrizations.weight_norm(normed[0])
    return {
        "DataParallel": torch.nn.DataParallel(network()),
        "compiled": torch.compile(network()),
        "average": torch.optim.swa_utils.AveragedModel(network()),
        "compiled inside": compiled_inside,
        "compiled in place": in_place,
        "hooked": hooked,
        "weight norm": normed,
        "spectral norm": torch.nn.Sequential(torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(4, 3))),
        "float64": network().double(),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", list(wrapped()))
def test_a_module_that_is_wrapped_or_changed_is_exported_as_it_behaves(name: str, tmp_path: Path) -> None:
    module = wrapped()[name].eval()
    example = X.double() if name == "float64" else X
    report = export(module, tmp_path / "a.onnx", example=example, simplifier="none")
    assert report.parity.worst_difference < 1e-5
    with torch.no_grad():
        expected = module(example) if name != "compiled" else network()(example)
    import runtime

    found = runtime.load(report.path).run({"input": example.numpy()})["output"]
    torch.testing.assert_close(torch.from_numpy(found), expected)


def test_wrappers_are_taken_off_and_noted() -> None:
    subject = subject_of(torch.nn.DataParallel(network()), task="classification")
    assert subject.notes == ("the network within DataParallel was taken",)
    assert subject.output_names == ["probabilities", "embedding"]


def test_modules_that_no_exporter_reads_are_refused() -> None:
    with torch.device("meta"):
        empty = torch.nn.Linear(4, 3)
    for module, example, error, words in (
        (torch.nn.LazyLinear(3), X, InputError, "'weight' do not exist yet"),
        (empty, X, InputError, "have no values"),
        (network().bfloat16(), X.bfloat16(), InputError, r"are bfloat16.*module.float\(\)"),
        (QuantizedLinear(), X, SpecError, "is quantised by torch.*--precision int8"),
    ):
        with pytest.raises(error, match=words):
            subject_of(module, example)


class QuantizedLinear(torch.nn.Module):
    """A part that calls itself one of torch's quantised layers."""

    def __init__(self) -> None:
        super().__init__()
        part = type("Linear", (torch.nn.Identity,), {"__module__": "torch.ao.nn.quantized.dynamic.modules.linear"})
        self.part = part()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x)
