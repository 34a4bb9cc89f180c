"""Files of every kind, told by their content: opened, or refused with what to do instead, and never run."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import runtime
from exporters import export
from exporters.settings import make_settings
from exporters.sources.file_kinds import kind_of
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from runtime.errors import CheckFailed, CheckpointError, InputError, SpecError, ToolkitError

OWN = """
import torch
from beside import WIDTH

class Net(torch.nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.body = torch.nn.Linear(4, WIDTH)
        self.norm = torch.nn.BatchNorm1d(WIDTH)
        self.head = torch.nn.Linear(WIDTH, classes)

    def forward(self, x):
        return self.head(self.norm(self.body(x)).relu())

def network(classes=3):
    return Net(classes)

def number():
    return 3

def fails():
    return {}["nothing"]

ready = Net(2)
some = 7
"""
X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


class Net(torch.nn.Module):
    """As the one in `OWN`."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = torch.nn.Linear(4, 6)
        self.norm = torch.nn.BatchNorm1d(6)
        self.head = torch.nn.Linear(6, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.body(x)).relu())


class Pictures(torch.nn.Module):
    """(N, 1, H, W) -> (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 4, 3)
        self.head = torch.nn.Linear(4, 3)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.head(self.convolution(picture).relu().mean((2, 3)))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "beside.py").write_text("WIDTH = 6\n", encoding="utf-8")
    (tmp_path / "my_models.py").write_text(OWN, encoding="utf-8")
    return f"{tmp_path / 'my_models.py'}:Net"


def opened(source: Any, example: Any = None, **options: Any) -> Subject:
    return make_subject(source, example=example, settings=make_settings(options))


def same(subject: Subject, network: torch.nn.Module, inputs: torch.Tensor = X) -> bool:
    with torch.no_grad():
        return torch.allclose(subject.module(inputs)[0], network(inputs), atol=1e-6)


def write_script(module: torch.nn.Module, path: Path, example: torch.Tensor | None = None) -> None:
    """TorchScript of a module, traced where there is an example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls TorchScript a thing of the past; files of it are around
        script = torch.jit.script(module) if example is None else torch.jit.trace(module, example)
    script.save(str(path))


def prefixed(network: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    return OrderedDict((prefix + name, value) for name, value in network.state_dict().items())


def test_weights_are_found_however_they_are_kept(net: Net, own: str, tmp_path: Path) -> None:
    plain = net.state_dict()
    kept: list[tuple[Any, str]] = [
        (plain, ""),
        ({"state_dict": plain, "epoch": 3}, ""),
        ({"model": plain}, ""),
        ({"model_state_dict": plain, "optimizer": {"lr": 0.1}}, ""),
        (prefixed(net, "module."), "'module.' was taken off"),
        (prefixed(net, "_orig_mod."), "'_orig_mod.' was taken off"),
        ({"state_dict": prefixed(net, "model.module.")}, "'model.module.' was taken off"),
        ({"model": prefixed(Net(), ""), "ema": plain}, "averaged weights under 'ema'"),
        ({name: value for name, value in plain.items() if "num_batches" not in name}, ""),
    ]
    for content, note in kept:
        torch.save(content, tmp_path / "weights.bin")
        subject = opened(tmp_path / "weights.bin", arch=own)
        assert same(subject, net), list(content)
        assert note in "; ".join(subject.notes)
    save_file(plain, tmp_path / "weights.anything")
    assert kind_of(tmp_path / "weights.anything") == "safetensors"
    assert same(opened(tmp_path / "weights.anything", arch=own), net)


def test_half_precision_weights_are_read_in_single_precision(net: Net, own: str, tmp_path: Path) -> None:
    torch.save({name: value.bfloat16() for name, value in net.state_dict().items()}, tmp_path / "half.pth")
    subject = opened(tmp_path / "half.pth", arch=own)
    assert subject.module(X)[0].dtype == torch.float32
    assert "stored as bfloat16" in "; ".join(subject.notes)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("Net", {"arch_args": {"classes": 4}}, "head.weight is (3, 6) in the file and (4, 6) in the network"),
        ("Net", {"arch_args": {"clases": 4}}, "cannot be made with the arguments {'clases': 4}"),
        ("Nett", {}, "has no class or function 'Nett'. Did you mean 'Net'?"),
        ("number", {}, "returned an object of type int; a torch.nn.Module is expected"),
        ("fails", {}, "failed with KeyError: 'nothing'"),
        ("some", {}, "is of type int; a class, or a function that returns a module, is expected"),
        ("ready", {"arch_args": {"classes": 4}}, "is a module already, so it takes no arguments"),
    ],
)
def test_an_architecture_of_ones_own_that_does_not_fit_is_told_apart(
    net: Net, own: str, tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ToolkitError) as caught:
        opened(tmp_path / "weights.pth", arch=own.replace(":Net", f":{name}"), **options)
    assert words in str(caught.value)


def test_a_function_or_a_ready_module_is_an_architecture_too(net: Net, own: str, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    assert same(opened(tmp_path / "weights.pth", arch=own.replace(":Net", ":network")), net)
    torch.save(Net(2).state_dict(), tmp_path / "two.pth")
    assert opened(tmp_path / "two.pth", arch=own.replace(":Net", ":ready")).card.task == "raw"


def test_weights_that_do_not_fit_name_what_is_missing_and_what_is_left(net: Net, own: str, tmp_path: Path) -> None:
    state = net.state_dict()
    state["extra"] = state.pop("head.bias")
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError) as caught:
        opened(tmp_path / "weights.pth", arch=own)
    assert "missing from the file: head.bias; not in the network: extra" in str(caught.value)
    with pytest.raises(
        CheckpointError, match=r"0 of its 122 do.*Name the architecture that the weights were made with"
    ):
        opened(tmp_path / "weights.pth", arch="torchvision:resnet18")


def test_weights_without_an_architecture_ask_for_one(net: Net, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"holds 9 weights \(body.weight.*Name it with --arch"):
        opened(tmp_path / "weights.pth")
    for arch, words in (
        ("resnet18", "torchvision:NAME, timm:NAME or FILE.py:NAME is expected"),
        ("torchvison:resnet18", "Did you mean 'torchvision'"),
        ("torchvision:resnet81", "Did you mean 'resnet18'"),
        ("timm:resnet181", "Did you mean 'resnet18"),
        ("missing.py:Net", "missing.py does not exist"),
        ("torchvision:quantized_resnet18", "torchvision:resnet18 with --precision int8"),
    ):
        with pytest.raises(ToolkitError, match=words):
            opened(tmp_path / "weights.pth", arch=arch)


def test_a_file_of_ones_own_that_fails_is_told_with_its_line(net: Net, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    for text, words in (
        ("x = 1\nraise ValueError('no')\n", "fails in line 2 with ValueError: no"),
        ("x = (\n", "in line 1"),
    ):
        (tmp_path / "broken_model.py").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            opened(tmp_path / "weights.pth", arch=f"{tmp_path / 'broken_model.py'}:Net")
    (tmp_path / "broken_model.py").write_text("def Net():\n    raise SystemExit(3)\n", encoding="utf-8")
    with pytest.raises(InputError, match="failed with SystemExit: 3"):
        opened(tmp_path / "weights.pth", arch=f"{tmp_path / 'broken_model.py'}:Net")


def test_an_input_that_would_fill_the_memory_is_refused(net: Net, own: str, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(InputError, match="Give a smaller --input-size"):
        opened(tmp_path / "weights.pth", arch=own, input_size=(1000000, 1000000))


def test_what_is_asked_of_a_checkpoint_against_its_own_word_is_refused(checkpoint: Path) -> None:
    with pytest.raises(SpecError, match="brings samples of 1,8,8"):
        opened(checkpoint, input_size=(3, 224))
    for size in ((1, 8, 8), (8, 8), (8,)):
        assert opened(checkpoint, input_size=size).samples[0].shape[1:] == (1, 8, 8)
    with pytest.raises(SpecError, match="Leave --random-weights out"):
        opened(checkpoint, random_weights=True)
    with pytest.raises(SpecError, match="3 labels were given"):
        opened(checkpoint, labels=("a", "b", "c"))
    assert opened(checkpoint, labels=tuple("abcdefghij")).card.labels == tuple("abcdefghij")


def test_a_pickled_module_is_opened_by_trust_alone(net: Net, tmp_path: Path) -> None:
    torch.save(net, tmp_path / "whole.pth")
    torch.save({"model": net, "epoch": 3}, tmp_path / "nested.pth")
    for name in ("whole.pth", "nested.pth"):
        with pytest.raises(CheckpointError) as caught:
            opened(tmp_path / name, X)
        assert "Net" in str(caught.value)
        assert "torch.save(model.state_dict(), 'weights.pth')" in str(caught.value)
        assert "--trust" in str(caught.value)
        assert same(opened(tmp_path / name, X, trust=True), net)


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save({"state_dict": Trap(mark)}, tmp_path / "trap.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Trap(mark)))
    torch.export.save(torch.export.export(Net().eval(), (X,)), tmp_path / "clean.pt2")
    with (
        zipfile.ZipFile(tmp_path / "clean.pt2") as clean,
        zipfile.ZipFile(tmp_path / "inputs.pt2", "w") as inputs,
        zipfile.ZipFile(tmp_path / "lengths.pt2", "w") as lengths,
    ):
        torch.save(Trap(mark), tmp_path / "sample.pt")
        for name in clean.namelist():
            content = clean.read(name)
            inputs.writestr(name, (tmp_path / "sample.pt").read_bytes() if "sample_inputs" in name else content)
            if name.endswith("models/model.json"):
                content = json.dumps(_poisoned(json.loads(content), f"open({str(mark)!r}, 'w')")).encode()
            lengths.writestr(name, content)
    for name in ("trap.pth", "plain.pkl", "inputs.pt2", "lengths.pt2"):
        with pytest.raises(CheckpointError, match=r"so it was not opened|is not a checkpoint"):
            opened(tmp_path / name, X)
        assert not mark.exists()


def _poisoned(value: Any, expression: str) -> Any:
    """The JSON with an expression of lengths that is a call of something else."""
    if isinstance(value, dict):
        changed = {key: _poisoned(item, expression) for key, item in value.items()}
        if "as_int" in changed and isinstance(changed["as_int"], int):
            return {"as_expr": {"expr_str": expression, "hint": None}}
        return changed
    return [_poisoned(item, expression) for item in value] if isinstance(value, list) else value


def test_a_program_brings_its_example_and_its_dynamic_axes(tmp_path: Path) -> None:
    module = Pictures().eval()
    batch, height = torch.export.Dim("rows", min=1), torch.export.Dim("high", min=4)
    example = torch.randn(3, 1, 8, 9)
    program = torch.export.export(module, (example,), dynamic_shapes=({0: batch, 2: height},))
    torch.export.save(program, tmp_path / "a.pt2")
    for source in (tmp_path / "a.pt2", program):
        subject = opened(source)
        assert subject.source_axes == ({0: "batch", 2: "height"},)
        assert torch.equal(subject.samples[0], example)
        assert subject.input_names == ["input"]
    report = export(tmp_path / "a.pt2", simplifier="none")
    assert report.path == tmp_path / "a.onnx"
    found = runtime.load(report.path).run({"input": np.ones((5, 1, 12, 9), np.float32)})
    with torch.no_grad():
        np.testing.assert_allclose(found["output"], module(torch.ones(5, 1, 12, 9)).numpy(), atol=1e-5)
    with pytest.raises(CheckFailed, match=r"exported for one width; its dynamic axes are: batch, height"):
        export(tmp_path / "a.pt2", dynamic=("batch", "width"))


def test_a_program_for_one_shape_stays_for_one_shape_and_says_so(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(Pictures().eval(), (torch.randn(2, 1, 8, 8),)), tmp_path / "a.pt2")
    report = export(tmp_path / "a.pt2", tmp_path / "a.onnx", simplifier="none")
    assert "made for the shapes of its example alone" in "; ".join(report.notes)
    assert runtime.load(report.path).session.fixed_batch == 2


@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript_is_exported_with_a_dynamic_batch(how: str, tmp_path: Path) -> None:
    module = Pictures().eval()
    example = torch.randn(2, 1, 8, 9)
    write_script(module, tmp_path / "a.pt", None if how == "script" else example)
    report = export(tmp_path / "a.pt", tmp_path / "a.onnx", input_size=(1, 8, 9), simplifier="none")
    found = runtime.load(report.path).run({"input": np.ones((5, 1, 8, 9), np.float32)})
    with torch.no_grad():
        np.testing.assert_allclose(found["output"], module(torch.ones(5, 1, 8, 9)).numpy(), atol=1e-5)
    with pytest.raises(InputError, match="Give the shape of one, without the batch, as --input-size"):
        opened(tmp_path / "a.pt")


def test_torchscript_that_cannot_be_converted_is_refused_with_the_reason(tmp_path: Path) -> None:
    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if float(x.sum()) > 0:
                return torch.linalg.inv(x.T @ x)  # which ONNX has no operator for
            return x - 1

    write_script(Branch(), tmp_path / "a.pt")
    with pytest.raises(CheckFailed) as caught:
        export(tmp_path / "a.pt", tmp_path / "a.onnx", example=X)
    assert "Export the module that it was made from" in str(caught.value)
    assert not (tmp_path / "a.onnx").exists()


def test_what_is_no_source_is_refused_with_what_is(net: Net, own: str, tmp_path: Path) -> None:
    (tmp_path / "done.onnx").write_bytes(b"\x08\x0a\x12\x07pytorch")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("hello", encoding="utf-8")
    (tmp_path / "nothing.pt2").write_bytes(b"")
    for name, words in (
        ("done.onnx", "is an ONNX file, so it is exported already"),
        ("empty.pth", "holds 'epoch', and no weights among it"),
        ("list.pth", "is a list, and no weights among it"),
        ("text.pth", "is cut short or is no file that can be exported"),
        ("nothing.pt2", "is cut short or is no file that can be exported"),
        ("missing.pth", "does not exist"),
        (".", "is a folder"),
    ):
        with pytest.raises(CheckpointError, match=words):
            opened(tmp_path / name)
    with pytest.raises(
        InputError, match="A dict was given; a file, a checkpoint, an exported program or a torch module"
    ):
        opened({"a": 1})
    with pytest.raises(SpecError, match="beside a network that is made already"):
        opened(net, X, arch=own)
    with pytest.raises(SpecError, match="Two architectures were given"):
        opened(own, arch=own)


def test_an_architecture_alone_needs_consent_to_random_weights(own: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no weights were given.*--random-weights"):
        opened(own)
    state = torch.get_rng_state()
    subject = opened(own, random_weights=True)
    assert torch.equal(state, torch.get_rng_state())
    assert "are random ones" in "; ".join(subject.notes)
    assert subject.samples[0].shape == (3, 4)
    torch.save(Net().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(SpecError, match="Random weights were asked for, but"):
        opened(tmp_path / "weights.pth", arch=own, random_weights=True)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    module = Net().eval()
    torch.save(module.state_dict(), folder / "plain")
    save_file(module.state_dict(), folder / "safetensors")
    torch.export.save(torch.export.export(module, (X,)), folder / "program.pt2")
    write_script(module, folder / "script", X)
    torch.save(module.state_dict(), folder / "old", _use_new_zipfile_serialization=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_ends_in_one_paragraph(
    data: st.DataObject, whole_files: dict[str, bytes], own: str, tmp_path: Path
) -> None:
    name = data.draw(st.sampled_from(sorted(whole_files)))
    content = bytearray(whole_files[name])
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(bytes(content))
    arch = own if kind_of(path) in ("torch", "safetensors") else None
    try:
        opened(path, X, arch=arch)
    except ToolkitError as error:
        assert "\n" not in str(error)
