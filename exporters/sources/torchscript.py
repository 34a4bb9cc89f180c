"""TorchScript: run by torch as it is, and converted to a program where it is to be traced.

torch.export refuses script modules, and tracing through one fixes its lengths. torch's own converter
(`TS2EPConverter`) makes a program of its graph; the file is compared with the script module itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from exporters.isolation.quiet import quiet
from exporters.sources.loaded_model import LoadedModel
from runtime.errors import CheckFailed, CheckpointError

__all__ = ["TorchScriptNetwork", "open_torchscript"]

NO_LAYERS = "TorchScript has no layers that can be listened to, so there is no embedding"


def open_torchscript(path: Path) -> LoadedModel:
    """Load a file of torch.jit.save. It does not hold the example that it was traced with.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    try:
        with quiet():
            script = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # a damaged file fails in many ways
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise CheckpointError(
            f"{path} cannot be loaded as TorchScript: {reason}. Save it again with torch.jit.save."
        ) from error
    if not hasattr(script, "forward"):
        raise CheckpointError(
            f"{path} holds TorchScript without a forward. Save the module whose forward is to be run."
        )
    return LoadedModel(TorchScriptNetwork(script), notes=(NO_LAYERS,))


class TorchScriptNetwork(torch.nn.Module):
    """Exportable script module: while it is being traced, a program converted from it runs in its place.

    Args:
        script: the result of torch.jit.load, torch.jit.script or torch.jit.trace.
    """

    def __init__(self, script: torch.jit.ScriptModule) -> None:
        super().__init__()
        # in a list, because torch.export refuses the weights of a script module
        self._script = [script.eval()]
        self.program: torch.nn.Module | None = None
        self._why_not = ""

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Run the script module, or the program converted from it while tracing."""
        if torch.compiler.is_exporting() or torch._C._get_tracing_state() is not None:
            if self.program is None:
                raise CheckFailed(self._why_not)
            return self.program(*inputs)
        return self._script[0](*inputs)

    @property
    def script(self) -> torch.jit.ScriptModule:
        """The script module itself."""
        return self._script[0]

    @property
    def numbers(self) -> set[int]:
        """Whole numbers in its code, of which a length may be compared with one."""
        graph: Any = self._script[0].inlined_graph
        values = [node.output().toIValue() for node in graph.findAllNodes("prim::Constant", recurse=True)]
        return {value for value in values if type(value) is int and value > 0}

    def convert(self, inputs: tuple[torch.Tensor, ...]) -> None:
        """Convert to a program, keeping the first whose results equal the script's, also at another batch size.

        Without one, the script module still runs, and tracing raises CheckFailed with the reason.
        """
        script = self._script[0]
        others = tuple(torch.cat([tensor, tensor.flip(0)]) for tensor in inputs)
        reasons = []
        for prepare in (_as_it_is, torch.jit.freeze):
            try:
                with quiet(), torch.no_grad(), torch.random.fork_rng(devices=[]):
                    module = _program(prepare(script), inputs)
                    here = _difference(module, script, inputs)
                    elsewhere = _difference(module, script, others)
            except Exception as error:  # the converter raises whatever it stumbles on
                reasons.append(_first_line(error))
                continue
            if here is None and (elsewhere is None or self.program is None):
                self.program = module  # without `elsewhere` for a fixed batch
            if here is None and elsewhere is None:
                return
            reasons.append(f"the program {here}" if here else f"the program {elsewhere} at another batch size")
        self._why_not = (
            f"The TorchScript could not be converted to a program that can be traced ({'; '.join(dict.fromkeys(reasons))}). Export "
            f"the module that it was made from: its weights with --arch, or saved with torch.export.save."
        )


def _as_it_is(script: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    return script


def _program(script: torch.jit.ScriptModule, inputs: tuple[torch.Tensor, ...]) -> torch.nn.Module:
    from torch._export.converter import TS2EPConverter

    program = TS2EPConverter(script, inputs).convert()
    module = program.module(check_guards=False)
    module.train = lambda mode=True: module  # type: ignore[method-assign] # torch's own refuses
    return module


def _difference(first: Callable[..., Any], second: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> str | None:
    """Difference of two callables' results, in words; None where they are close (rtol 1e-4, atol 1e-5)."""
    from exporters.forward.results import flat_outputs

    try:
        pairs = zip(flat_outputs(first(*inputs)), flat_outputs(second(*inputs)), strict=True)
        same = all(torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True) for a, b in pairs)
    except Exception as error:  # a program for one size raises whatever it stumbles on at another
        return f"fails: {_first_line(error)}"
    return None if same else "gives something else"


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:160]
