"""Calls that are wrong: each is answered by one clear ToolkitError, before anything is trained or written."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from wrong_calls import Call, arrays, builder, command, files, losses, practice, settings, use

from runtime.errors import ToolkitError

CALLS = {
    f"{module.__name__.removeprefix('wrong_calls.')}: {call[0]}": call
    for module in (builder, arrays, files, settings, losses, practice, use, command)
    for call in module.CALLS
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> object:
    """The networks are small; threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_wrong_call_is_refused_with_the_reason(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, make, expected = call
    with warnings.catch_warnings(), pytest.raises(ToolkitError) as caught:
        warnings.simplefilter("error")
        make(tmp_path)
    message = str(caught.value)
    for part in expected:
        assert part in message
    assert "\n" not in message
    assert list((tmp_path / "run").rglob("*")) == []
    assert "epoch 1/" not in capsys.readouterr().out


def test_no_call_is_made_twice() -> None:
    assert len(CALLS) == sum(
        len(module.CALLS) for module in (builder, arrays, files, settings, losses, practice, use, command)
    )
    assert all(expected for _, _, expected in CALLS.values())
