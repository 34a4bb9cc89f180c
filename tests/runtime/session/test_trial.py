"""A wheel of onnxruntime that cannot run here is found out in another process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import runtime.session.trial as trial
from runtime.errors import DeviceError, MissingPackageError
from runtime.session.providers import onnxruntime
from runtime.session.trial import try_onnxruntime

ENDED = "import os, signal\nos.kill(os.getpid(), signal.{})\n"


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The first line of a package that is imported in onnxruntime's place, version 1.21.0."""
    package = tmp_path / "onnxruntime"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(trial, "_version", lambda name: "1.21.0" if name == "onnxruntime" else None)
    return package / "__init__.py"


def test_the_installed_wheel_runs_here() -> None:
    assert try_onnxruntime() is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (ENDED.format("SIGILL"), "is ended by SIGILL: it uses instructions that this processor lacks."),
        (ENDED.format("SIGSEGV"), "is ended by SIGSEGV: it reads memory that is not its own."),
        (ENDED.format("SIGABRT"), "is ended by SIGABRT"),
        (ENDED.format("SIGKILL"), "is ended by SIGKILL"),
        (ENDED.format("SIGTERM"), "is ended by SIGTERM."),
        ("raise ImportError('libgomp.so.1: cannot open')", "fails with ImportError: libgomp.so.1: cannot open."),
        ("import numpi", "fails with ModuleNotFoundError: No module named 'numpi'."),
        ("import os; os._exit(3)", "fails with the exit code 3."),
        # one that can be imported, and not run
        ("class InferenceSession:\n    def __init__(*_, **__):\n        " + ENDED.format("SIGILL").replace("\n", "; "), "by SIGILL"),
        ("import time; time.sleep(60)", "does not end within 1 s"),
    ],
)  # fmt: skip
def test_a_wheel_that_cannot_run_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, wheel: Path, source: str, words: str
) -> None:
    monkeypatch.setattr(trial, "_SECONDS", 1 if "sleep" in source else 60)
    wheel.write_text(source)
    failure = try_onnxruntime()
    assert failure is not None
    assert failure.reason.startswith("onnxruntime 1.21.0 cannot run here: ")
    assert words in failure.reason
    assert failure.remedy == "Install another release of it: pip install --force-reinstall 'onnxruntime!=1.21.0'"


def test_a_package_that_is_not_there_is_left_to_whoever_imports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert try_onnxruntime() is None


@pytest.mark.parametrize(
    ("code", "name"), [(3221225501, "SIGILL"), (-1073741819 % 2**32, "SIGSEGV"), (1, None), (-999, "the signal 999")]
)
def test_ends_of_a_process_have_names(code: int, name: str | None) -> None:
    assert trial._signal_name(code) == name


@pytest.mark.parametrize(
    ("source", "expected", "words"),
    [
        ("raise ImportError('libgomp.so.1: cannot open')", DeviceError, "cannot be imported: libgomp.so.1"),
        ("import numpi", DeviceError, "No module named 'numpi'"),
        ("raise ModuleNotFoundError('gone', name='onnxruntime')", MissingPackageError, "is not installed"),
    ],
)
def test_an_import_that_fails_is_no_missing_package(
    monkeypatch: pytest.MonkeyPatch, wheel: Path, source: str, expected: type[Exception], words: str
) -> None:
    wheel.write_text(source)
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(expected, match=words):
        onnxruntime()


def test_doctor_outlives_a_wheel_that_ends_its_process(wheel: Path) -> None:
    wheel.write_text(ENDED.format("SIGILL"))
    program = f"import sys; sys.path.insert(0, {str(wheel.parent.parent)!r}); sys.argv[1:] = ['doctor']; import cli; cli.main()"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "SIGILL" in ran.stdout and "pip install --force-reinstall" in ran.stdout
