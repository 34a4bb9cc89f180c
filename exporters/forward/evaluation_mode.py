"""Evaluation mode checks: the forward is deterministic, and each row's result is independent of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from exporters.forward.forward_record import ForwardRecord
from exporters.forward.results import flat_outputs
from runtime.errors import CheckFailed

__all__ = ["check_modes", "check_rows", "check_same_again"]


def check_modes(module: torch.nn.Module) -> None:
    """Put a module into evaluation mode. Raises CheckFailed where a part of it stays in training mode."""
    module.eval()
    left = [(path, child) for path, child in module.named_modules() if child.training]
    if left:
        path, child = left[0]
        more = f", and {len(left) - 1} more" if len(left) > 1 else ""
        raise CheckFailed(
            f"{_named(path, child)}{more} stays in training mode after module.eval(), so the file would behave as in training. "
            f"Let its train() and eval() set `training` as torch.nn.Module's do, or set it by hand: "
            f"module{'.' + path if path else ''}.training = False, and keep it from being changed back."
        )


def check_same_again(module: torch.nn.Module, found: ForwardRecord, run: Callable[[], Any]) -> None:
    """Determinism check: raise CheckFailed, naming a random operator or changed buffer, where two runs differ.

    Args:
        module: in evaluation mode.
        found: record of a first run.
        run: runs it again on the same inputs.
    """
    before = _buffers(module)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0x5EED)
        again = run()
    if _equal(found.result, again):
        return
    if not found.random:
        now = _buffers(module)
        changed = next(
            (f"its buffer {name!r}" for name in now if now[name] != before.get(name)), "an attribute of its own"
        )
        raise CheckFailed(
            f"Two runs on the same input differ in evaluation mode: {_at(module, '')} keeps something from one run to the next "
            f"({changed}, or a random number that is not torch's), which a file cannot. Take it in as an input and return it as "
            f"an output, or leave it unchanged in evaluation mode (if self.training: ...)."
        )
    path, operator = next(iter(found.random.items()))
    dropout = operator in ("native_dropout", "bernoulli", "bernoulli_")
    remedy = (
        "Dropout is left on: give functional.dropout the argument training=self.training, and attention dropout_p=0.0 where "
        "self.training is false."
        if dropout
        else "Take the random numbers in as an input, or leave them out in evaluation mode (if self.training: ...)."
    )
    raise CheckFailed(
        f"Two runs on the same input differ in evaluation mode: {_at(module, path)} draws random numbers ({operator}), which a "
        f"file cannot repeat. {remedy}"
    )


def check_rows(
    module: torch.nn.Module, found: ForwardRecord, run_row: Callable[[], Any], outputs: Callable[[Any], Iterable[Any]]
) -> str | None:
    """Batch independence check: compare the first row of the batch with the same row run alone.

    Args:
        module: in evaluation mode.
        found: record of a run of several rows.
        run_row: runs the first row alone.
        outputs: a result -> its tensors.

    Returns:
        A note where a row's result depends on the others by the network's design, else None.

    Raises:
        CheckFailed: a row's result depends on the others through a batch normalisation that uses batch statistics.
    """
    try:
        alone = run_row()
    except Exception as error:  # whatever a module raises
        if not found.batch_statistics:
            return None  # the batch sizes are tried later on
        raise CheckFailed(_batch_statistics(module, found, "it does not run on one row alone")) from error
    for several, single in zip(outputs(found.result), outputs(alone), strict=False):
        if not _is_float(several) or not _is_float(single) or several.shape[1:] != single.shape[1:] or not len(single):
            continue
        if len(single) == 1 and len(several) > 1 and not _near(several[:1], single):
            if found.batch_statistics:
                raise CheckFailed(_batch_statistics(module, found, "a row's result depends on the rows beside it"))
            return "a row's result depends on the other rows of its batch"
    return None


def _batch_statistics(module: torch.nn.Module, found: ForwardRecord, what: str) -> str:
    path = found.batch_statistics[0]
    more = f" and {len(found.batch_statistics) - 1} more" if len(found.batch_statistics) > 1 else ""
    return (
        f"{_at(module, path)}{more} normalises by the mean and variance of the batch at hand, as in training; {what}. Give it "
        f"running statistics (track_running_stats=True, training=self.training), or use a normalisation of each row, such as "
        f"GroupNorm."
    )


def _buffers(module: torch.nn.Module) -> dict[str, tuple[int, int]]:
    """Buffer name -> (identity of its tensor, number of in-place writes)."""
    return {name: (id(buffer), buffer._version) for name, buffer in module.named_buffers()}


def _equal(first: Any, second: Any) -> bool:
    pairs = zip(flat_outputs(first), flat_outputs(second), strict=True)
    return all(not isinstance(a, torch.Tensor) or (a.shape == b.shape and _near(a, b)) for a, b in pairs)


def _near(first: torch.Tensor, second: torch.Tensor) -> bool:
    if not first.is_floating_point():
        return bool(torch.equal(first, second))
    scale = float(first.abs().nan_to_num(0.0, 0.0, 0.0).max()) if first.numel() else 0.0
    return torch.allclose(first, second, rtol=1e-3, atol=1e-4 * scale + 1e-7, equal_nan=True)


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 0


def _at(module: torch.nn.Module, path: str) -> str:
    try:
        return _named(path, module.get_submodule(path))
    except AttributeError:
        return _named(path, module)


def _named(path: str, module: torch.nn.Module) -> str:
    kind = type(module).__name__
    return f"The module {path!r} ({kind})" if path else f"The module {kind} itself"
