"""Post-processing steps, parsed from their names: "softmax", "top-k:5", "nms:iou=0.45,score=0.25,max=100"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from exporters.pre_post_processing.suppression import Suppression
from runtime.errors import SpecError, suggest

__all__ = ["Softmax", "Step", "TopK", "read_steps"]


@dataclass(frozen=True)
class Softmax:
    """Logits -> probabilities."""


@dataclass(frozen=True)
class TopK:
    """Probabilities -> the `count` most probable classes."""

    count: int


Step: TypeAlias = Softmax | TopK | Suppression

_NAMES = ("softmax", "top-k:5", "nms", "nms:iou=0.45,score=0.25,max=100,boxes=corners")


def read_steps(names: Sequence[str]) -> tuple[Step, ...]:
    """Parse post-processing steps from their names, in order.

    Raises:
        SpecError: there is no such step, or a number is out of range.
    """
    if isinstance(names, str):
        names = (names,)
    steps = tuple(_step(name) for name in names)
    for kind in {type(step) for step in steps}:
        if sum(isinstance(step, kind) for step in steps) > 1:
            raise SpecError(f"The steps {', '.join(names)} were asked for; each kind can be given once only.")
    return steps


def _step(name: str) -> Step:
    kind, _, rest = name.strip().partition(":")
    if kind == "softmax" and not rest:
        return Softmax()
    if kind == "top-k":
        if not rest.isdecimal() or int(rest) < 1:
            raise SpecError(f"The step {name!r} was given; a number of classes, such as top-k:5, is expected.")
        return TopK(int(rest))
    if kind == "nms":
        return _suppression(name, rest)
    raise SpecError(f"There is no step {name!r} to put behind a network.{suggest(kind, _NAMES)}")


def _suppression(name: str, rest: str) -> Suppression:
    known = {"iou": 0.45, "score": 0.25, "max": 100.0}
    centres = False
    for entry in filter(None, rest.split(",")):
        key, _, value = entry.strip().partition("=")
        if key == "boxes" and value in ("corners", "centres"):
            centres = value == "centres"
            continue
        if key not in known:
            raise SpecError(
                f"The step {name!r} has the setting {entry!r}.{suggest(key, known)} Or boxes=corners, or boxes=centres for "
                f"(centre x, centre y, width, height)."
            )
        try:
            known[key] = float(value)
        except ValueError as error:
            raise SpecError(f"The step {name!r} has {entry!r}; a number is expected.") from error
    most = known["max"]
    if not 0 <= known["iou"] <= 1 or not known["score"] == known["score"] or most < 1 or most != int(most):
        raise SpecError(
            f"The step {name!r} was given; an iou between 0 and 1, a score, and a whole max of at least 1 are expected."
        )
    return Suppression(known["iou"], known["score"], int(most), centres)
