"""The checkpoint: plain, whole or not there, and no file however broken does more than raise CheckpointError."""

from __future__ import annotations

import copy
import pickle
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.subject.assembly import make_subject
from runtime.card import ArrayInput, ModelCard
from runtime.errors import CheckpointError, InputError, SpecError, ToolkitError
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check
from toolkit.data.batching.batches import Batches
from toolkit.data.readers.arrays import load_arrays
from toolkit.training.checkpoints import checkpoint as module
from toolkit.training.checkpoints.checkpoint import FORMAT, VERSION, Checkpoint, random_state, restore_random_state
from toolkit.training.checkpoints.describe import describe_checkpoint
from toolkit.training.runs.run import Run
from toolkit.training.settings import Settings


def make(seed: int = 0) -> Checkpoint:
    spec, _ = check(NetworkSpec((4,), (LayerSpec.parse("linear", {"size": 3}, "softmax", 1),)))
    torch.manual_seed(seed)
    card = ModelCard("classification", (ArrayInput("input", (4,)),), labels=("a", "b", "c"))
    return Checkpoint(spec, build(spec).state_dict(), card, torch.rand(5, 4), {"epoch": 2, "history": [{"loss": 0.5}]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make().save(tmp_path / "model.pth")
    return tmp_path / "model.pth"


class Harmful:
    """Its pickle leaves a file behind when it is opened without protection."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


# ---- what is kept --------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_read_back_as_it_was_written(path: Path) -> None:
    first, again = make(), Checkpoint.load(path)
    assert again.spec == first.spec
    assert again.card == first.card
    assert again.training == first.training
    assert torch.equal(again.samples, first.samples)
    x = torch.rand(6, 4)
    torch.manual_seed(0)
    expected = build(first.spec)
    assert torch.equal(again.network()(x), expected(x))


def test_the_file_holds_plain_containers_and_tensors_only(path: Path) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(item) for key, item in value.items())
        if isinstance(value, list | tuple):
            return all(map(plain, value))
        return value is None or type(value) in (str, int, float, bool, torch.Tensor)

    content = torch.load(path, weights_only=True)
    assert (content["format"], content["version"]) == (FORMAT, VERSION)
    assert set(content) == {"format", "version", "spec", "state_dict", "card", "samples", "training"}
    assert plain(content)


def test_building_the_network_leaves_the_random_state_alone(path: Path) -> None:
    checkpoint = Checkpoint.load(path)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    checkpoint.network()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"linear1.weight": torch.ones(3, 4)},
        {"linear1.weight": torch.ones(2, 4), "linear1.bias": torch.ones(2)},
        {"linear1.weight": 3, "linear1.bias": 4},
    ],
)
def test_weights_that_do_not_fit_the_description_are_refused(path: Path, state: dict[str, Any]) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, "state_dict": state}, path)
    with pytest.raises(CheckpointError, match="weights do not fit its own description"):
        Checkpoint.load(path).network()


def test_every_generator_is_put_back_where_it_was(tmp_path: Path) -> None:
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    np.random.normal()  # leaves half of a pair cached
    torch.save(random_state(), tmp_path / "state.pth")
    drawn = [(random.random(), np.random.normal(), np.random.rand(), float(torch.rand(()))) for _ in range(3)]
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    restore_random_state(torch.load(tmp_path / "state.pth", weights_only=True))
    assert [(random.random(), np.random.normal(), np.random.rand(), float(torch.rand(()))) for _ in range(3)] == drawn


# ---- whole or not there --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("broken"), KeyboardInterrupt()])
def test_saving_that_fails_leaves_the_old_file_and_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    before = path.read_bytes()

    def half_a_save(_content: Any, target: Any) -> None:
        target.write(before[: len(before) // 2])
        raise error

    monkeypatch.setattr(module.torch, "save", half_a_save)
    with pytest.raises(type(error)):
        make(seed=1).save(path)
    with pytest.raises(type(error)):
        make(seed=1).save(path.parent / "new.pth")
    assert [entry.name for entry in path.parent.iterdir()] == ["model.pth"]
    assert path.read_bytes() == before


def test_a_disk_that_is_full_is_one_clear_error_and_leaves_the_old_file(path: Path) -> None:
    import resource

    before, large = path.read_bytes(), replace(make(), samples=torch.zeros(100_000, 4))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match="could not be written whole"):
            large.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.pth"]
    assert path.read_bytes() == before


def test_a_folder_is_no_place_for_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ToolkitError, match="is a folder; a file name is expected"):
        make().save(tmp_path)


# ---- what is refused -----------------------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "nothing.pth")
    assert "is a folder" in refused(tmp_path)


def test_a_pickled_module_is_refused_and_the_way_out_is_named(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(4, 3), tmp_path / "module.pth")
    message = refused(tmp_path / "module.pth")
    assert "holds pickled Python objects" in message
    assert "torch.save(model.state_dict(), 'weights.pth')" in message
    assert "weights_only=False" not in message  # never the advice to switch the protection off
    assert "safe_globals" not in message


@pytest.mark.parametrize("how", ["torch", "legacy", "pickle"])
def test_code_in_a_file_is_not_run(tmp_path: Path, how: str) -> None:
    content = {"format": FORMAT, "harm": Harmful(tmp_path / "trace")}
    if how == "pickle":
        (tmp_path / "a.pth").write_bytes(pickle.dumps(content))
    else:
        torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=how == "torch")
    refused(tmp_path / "a.pth")
    assert not (tmp_path / "trace").exists()


def test_plain_weights_are_explained(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(4, 3).state_dict(), tmp_path / "weights.pth")
    message = refused(tmp_path / "weights.pth")
    assert "holds 2 weights without the network they belong to" in message
    assert "exporters.export(model, 'model.onnx', example=x)" in message


@pytest.mark.parametrize(
    "content", [{}, [], "text", torch.ones(3), {"format": "another"}, {"epoch": 3, "net": {}}, None, 7]
)
def test_another_programs_file_is_explained(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "other.pth")
    assert "was not written by this toolkit" in refused(tmp_path / "other.pth")


def test_torchs_other_files_are_refused_without_a_warning_or_advice_to_open_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:  # as TorchScript lays its files out
        for name in ("constants.pkl", "data.pkl", "version", "code/__torch__.py"):
            archive.writestr(f"script/{name}", b"3")
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.rand(2, 2),)), tmp_path / "program.pt2")
    for name in ("script.pt", "program.pt2"):
        message = refused(tmp_path / name)
        assert "weights_only` argument" not in message
        assert "internal" not in message
    assert capfd.readouterr().err == ""


def test_a_newer_version_asks_for_an_update(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    for version in (VERSION + 1, "1", None):
        torch.save({**content, "version": version}, path)
        assert "Update onnx-edge-toolkit" in refused(path)


def test_a_file_of_version_1_is_read_and_its_training_cannot_be_continued(path: Path) -> None:
    """As 0.1 wrote them: layers with a name, arguments and the name of an activation."""
    content = torch.load(path, weights_only=True)
    layers = [{"layer": "linear", "arguments": {"size": [4, 3]}, "activation": "softmax"}]
    old = {"epoch": 2, "optimizer": {}, "schedule": {}, "random": {}, "history": [], "best": {}, "settings": {}}
    torch.save({**content, "version": 1, "spec": {"input_shape": [4], "layers": layers}, "training": old}, path)
    checkpoint = Checkpoint.load(path)
    x = torch.rand(6, 4)
    assert torch.equal(checkpoint.network()(x), make().network()(x))
    describe_checkpoint(path)
    data = load_arrays(torch.rand(9, 4).numpy(), np.arange(9) % 3)
    asked = Settings("adam", "CrossEntropyLoss", ("acc",), seed=0)
    run = Run(checkpoint.spec, checkpoint.network(), Batches(data), None, None, asked, path.parent / "run")
    with pytest.raises(CheckpointError, match=r"earlier version.*Start from its weights alone with checkpoint=\."):
        run.execute(checkpoint)


def test_samples_may_be_tokens(path: Path) -> None:
    tokens = torch.arange(12).reshape(3, 4)
    replace(make(), samples=tokens).save(path)
    again = Checkpoint.load(path).samples
    assert again.dtype == torch.int64
    assert torch.equal(again, tokens)


def test_an_own_module_that_was_not_given_is_a_spec_error(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    layer = {"layer": "module", "arguments": {"name": "NeverGiven", "options": {"width": 3}}, "activation": None}
    torch.save({**content, "spec": {**content["spec"], "layers": [layer]}}, path)
    with pytest.raises(SpecError, match="NeverGiven"):
        Checkpoint.load(path).network()


@pytest.mark.parametrize("key", ["spec", "state_dict", "card", "samples", "training"])
def test_a_missing_part_is_named(path: Path, key: str) -> None:
    content = torch.load(path, weights_only=True)
    del content[key]
    torch.save(content, path)
    assert f"lacks {key}" in refused(path)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"PK", b"PK\x03\x04", b"noise" * 999, bytes(range(256)) * 40, b"\x80\x02."]
)
def test_noise_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "noise.pth").write_bytes(content)
    refused(tmp_path / "noise.pth")


def test_a_file_cut_short_anywhere_is_refused(path: Path) -> None:
    content = path.read_bytes()
    lengths = {*range(0, len(content), max(1, len(content) // 120)), *range(len(content) - 40, len(content))}
    for length in sorted(lengths):
        path.write_bytes(content[:length])
        refused(path)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    make().save(path)
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[int(position * (len(content) - 1))] = value
    path.write_bytes(content)
    try:
        network = Checkpoint.load(path).network()
    except ToolkitError:
        return
    assert network(torch.rand(2, 4)).shape == (2, 3)


JUNK: list[Any] = [None, 5, "x", [1], {}, {"a": 1}, torch.ones(2), [None], {"a": torch.ones(1)}]


def keys(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested dictionaries."""
    inside = [place for key in value for place in keys(value[key], (*at, key))] if isinstance(value, dict) else []
    return [at, *inside] if at else inside


@pytest.mark.parametrize(
    "use", [lambda path: describe_checkpoint(path), lambda path: make_subject(path)], ids=["info", "export"]
)
def test_a_file_changed_by_hand_is_used_or_refused(path: Path, use: Callable[[Path], Any]) -> None:
    """Whatever is put in the place of any part: a clear error, never a traceback of Python's own."""
    content = torch.load(path, weights_only=True)
    for place in keys(content):
        for junk in JUNK:
            changed = copy.deepcopy(content)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = junk
            torch.save(changed, path)
            try:
                assert use(path) is not None
            except ToolkitError as error:
                assert len(str(error)) > 20
