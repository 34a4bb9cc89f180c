"""Commands in processes of their own that need not import torch first: forked from one process that has imported everything.

An import of torch and of what an export needs takes seconds, more than most commands themselves. What a process does is as
if it was started by itself: its own arguments, folder, output and exit code. The installed `toolkit` is started for real
where it matters: in README's commands, and wherever a process is killed, has a terminal, or must not import something.

As a script it is that one process: it reads a line of JSON for each command and answers with a line, the exit code.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

TOOLKIT = Path(sys.executable).with_name("toolkit")

# Imported by the commands sooner or later. Not onnxruntime: it starts a thread, which a fork would lose.
_HEAVY = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "onnxscript.function_libs.torch_lib",
    "torch._dynamo",
    "torch.export",
    "torch.onnx._internal.exporter",
    "torchmetrics",
    "torchvision.models",
)


class WarmProcesses:
    """Where processes are forked from; made anew for each session of pytest, and ended with it."""

    def __init__(self) -> None:
        self._source: subprocess.Popen[str] | None = None

    def toolkit(self, *arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`toolkit ARGUMENTS` in a folder."""
        return self._run([str(TOOLKIT), *map(str, arguments)], folder)

    def python(self, script: Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`python SCRIPT` in a folder."""
        return self._run([sys.executable, str(script)], folder)

    def _run(self, command: Sequence[str], folder: Path | None) -> subprocess.CompletedProcess[str]:
        if not hasattr(os, "fork"):
            return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if self._source is None:
            self._source = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self._source.stdin is not None and self._source.stdout is not None
        with tempfile.TemporaryDirectory() as place:
            files = [str(Path(place) / name) for name in ("stdout", "stderr")]
            self._source.stdin.write(json.dumps([*files, str(folder or Path.cwd()), *command]) + "\n")
            self._source.stdin.flush()
            code = int(self._source.stdout.readline())
            texts = [Path(file).read_text(encoding="utf-8") for file in files]
        return subprocess.CompletedProcess(command, code, *texts)

    def end(self) -> None:
        """End the process that was forked from; it ends when its input does."""
        if self._source is not None:
            self._source.communicate()


def _import_everything() -> None:
    for package in ("cli", "runtime", "model_zoo", "toolkit", "exporters"):
        module = importlib.import_module(package)
        for entry in pkgutil.walk_packages(getattr(module, "__path__", []), f"{package}."):
            importlib.import_module(entry.name)
    for name in _HEAVY:
        importlib.import_module(name)
    assert "onnxruntime" not in sys.modules
    gc.freeze()  # so that a fork does not look through, and thereby copy, what was imported


def _become(stdout: str, stderr: str, folder: str, program: str, *arguments: str) -> None:
    """In a fork: take the output files, the folder and the arguments of a command, and run it to its end."""
    for number, path in ((0, os.devnull), (1, stdout), (2, stderr)):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    if program == sys.executable:
        sys.argv = list(arguments)
        sys.path[0] = str(Path(arguments[0]).parent)
        runpy.run_path(arguments[0], run_name="__main__")
    else:
        sys.argv = [program, *arguments]
        importlib.import_module("cli").main()


def _end(work: Callable[..., None], arguments: Sequence[str]) -> None:
    """Do a fork's work and exit as Python does, but for taking apart all modules, which takes longer than many a command."""
    code: object = 0
    try:
        work(*arguments)
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Fork a process for each line, until there is none left."""
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    _import_everything()
    for line in iter(sys.stdin.readline, ""):
        process = os.fork()
        if process == 0:
            _end(_become, json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
