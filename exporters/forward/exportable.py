"""Validation of a module before export: weights on the CPU, no torch quantisation."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from runtime.errors import InputError, SpecError

__all__ = ["check_exportable"]


def check_exportable(module: torch.nn.Module) -> None:
    """Check a module's weights and submodules.

    Raises:
        InputError: its weights do not exist yet, do not lie on the CPU, or are of a kind that nothing there runs.
        SpecError: it is quantised by torch.
    """
    for path, part in module.named_modules():
        kind = type(part)
        if ".quantized" in kind.__module__ and kind.__module__.startswith("torch.ao.nn"):
            raise SpecError(
                f"The module {path!r} ({kind.__name__}) is quantised by torch, which no exporter reads. Export the network as it was "
                f"before, with --precision int8 (precision='int8' in Python)."
            )
    for name, tensor in _tensors(module):
        if torch.nn.parameter.is_lazy(tensor):
            raise InputError(
                f"The weights {name!r} do not exist yet: a lazy layer gets them when it first runs. Run the module once, and train it "
                f"or load its weights."
            )
        if tensor.device.type == "meta":
            raise InputError(
                f"The weights {name!r} have no values (they lie on the device 'meta'). Load them: "
                f"module.load_state_dict(state_dict, assign=True)."
            )
        if tensor.device.type != "cpu":
            raise InputError(
                f"The weights {name!r} lie on {tensor.device}; exporting runs on the CPU. Give module.cpu(), and an example on the "
                f"CPU."
            )
        if tensor.dtype == torch.bfloat16:
            raise InputError(
                f"The weights {name!r} are bfloat16, for which onnxruntime has next to no operators on a CPU. Give module.float(), and "
                f"a float32 example; --precision fp16 halves the file."
            )
        if tensor.is_quantized:
            raise SpecError(
                f"The weights {name!r} are quantised by torch, which no exporter reads. Export the network as it was before, with "
                f"--precision int8 (precision='int8' in Python)."
            )


def _tensors(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()
