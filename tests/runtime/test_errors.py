"""The tree of errors."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import errors
from runtime.errors import CheckFailed, MissingPackageError, ToolkitError, suggest

CLASSES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error") or name == "CheckFailed"]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_a_toolkit_error_and_is_drawn_in_the_tree(error: type) -> None:
    assert issubclass(error, ToolkitError)
    assert f"{error.__name__} " in errors.__doc__


@pytest.mark.parametrize("error", CLASSES)
def test_bad_input_exits_with_2_and_a_failed_check_with_1(error: type) -> None:
    assert error.exit_code == (1 if error is CheckFailed else 2)


def test_a_missing_package_names_the_extra_to_install() -> None:
    error = MissingPackageError("toolkit train", "torch", "train")
    assert (error.package, error.extra) == ("torch", "train")
    assert "toolkit train" in str(error)
    assert "pip install 'onnx-edge-toolkit[train]'" in str(error)


def test_what_takes_a_newer_python_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """For an older one pip installs nothing of the extra, without a word."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert str(MissingPackageError("toolkit train", "torch", "train")).endswith(
        "with Python 3.11 or newer; this is 3.10"
    )
    assert str(MissingPackageError("Running a model", "onnxruntime", "cpu")).endswith("[cpu]'")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conv", " Did you mean 'conv2d' or 'conv1d'?"),
        ("LINEAR", " Did you mean 'linear'?"),
        ("zzz", " Known names: conv1d, conv2d, linear."),
    ],
)
def test_close_names_are_suggested_and_otherwise_all_are_listed(name: str, words: str) -> None:
    assert suggest(name, ("linear", "conv2d", "conv1d")) == words


@given(st.text())
def test_a_suggestion_can_be_made_for_any_text(name: str) -> None:
    assert suggest(name, ("one", "two")).startswith((" Did you mean '", " Known names: one, two."))
