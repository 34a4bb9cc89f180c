"""The model card: everything a file needs to be run as it was trained, in one JSON string.

The exporter writes it under one metadata key of the ONNX file; the runtime reads it back. A file without
a card still opens and runs on raw arrays.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.card.input_card import InputCard, input_facts, read_input
from runtime.card.names import ROLES, TASKS
from runtime.errors import CardError, suggest

__all__ = ["CARD_KEY", "CARD_VERSION", "ModelCard", "OutputCard"]

CARD_KEY = "onnx_edge_toolkit.card"
CARD_VERSION = 1

_DEEPEST = 50  # levels of its free facts


@dataclass(frozen=True)
class OutputCard:
    """One named output and what it means."""

    name: str
    role: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise CardError(f"The output {self.name!r} has the role {self.role!r}.{suggest(self.role, ROLES)}")


@dataclass(frozen=True)
class ModelCard:
    """Model card: metadata in a model file.

    Attributes:
        task: one of `runtime.card.TASKS`, such as "classification"; "raw" where what the outputs mean is not known.
        inputs: one entry per input, with its full deterministic pre-processing.
        outputs: one entry per output, with its role.
        labels: class names in the order of the probabilities; for regression the names of the targets.
        training: free facts about the training (data, settings, metrics).
        parity: measurements of the exporter's verification.
        producer: name and versions of the programs that wrote the file.
    """

    task: str
    inputs: tuple[InputCard, ...]
    outputs: tuple[OutputCard, ...] = ()
    labels: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    producer: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise CardError(f"The card's task is {self.task!r}.{suggest(self.task, TASKS)}")

    def output(self, role: str) -> str | None:
        """The name of the first output with this role, or None."""
        return next((output.name for output in self.outputs if output.role == role), None)

    def to_dict(self) -> dict[str, Any]:
        """Card as plain containers, which `from_dict` reads back."""
        facts = {**dataclasses.asdict(self), "inputs": [input_facts(entry) for entry in self.inputs]}
        return {"version": CARD_VERSION, **_plain(facts)}

    def to_json(self) -> str:
        """Card as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card back.

        Raises:
            CardError: the text is not JSON, lacks a field, or was written by a newer version.
        """
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError: also of a number with thousands of digits
            raise CardError(f"The model card is not JSON ({error}). Export the model again.") from error
        return cls.from_dict(value)

    @classmethod
    def from_dict(cls, value: Any) -> ModelCard:
        """Read a card from plain containers. Raises CardError as `from_json` does."""
        mapping = _mapping(value, "the card")
        version = mapping.get("version")
        if not isinstance(version, int) or version > CARD_VERSION:
            raise CardError(
                f"The model card has version {version!r}; this toolkit reads versions up to {CARD_VERSION}. "
                f"Update onnx-edge-toolkit, or export the model again with this version."
            )
        try:
            return cls(
                task=str(mapping["task"]),
                inputs=tuple(read_input(_mapping(entry, "an input")) for entry in _list(mapping["inputs"], "inputs")),
                outputs=tuple(
                    OutputCard(str(entry["name"]), str(entry["role"]))
                    for entry in _list(mapping.get("outputs", []), "outputs")
                ),
                labels=tuple(str(label) for label in _list(mapping.get("labels", []), "labels")),
                training=_facts(mapping, "training"),
                parity=_facts(mapping, "parity"),
                producer=_facts(mapping, "producer"),
            )
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CardError(f"The model card is malformed: {error!r}. Export the model again.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise CardError(
        f"The model card can hold text, numbers, lists and mappings; it was given a {type(value).__name__}."
    )


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CardError(f"The model card is malformed: {what} is a {type(value).__name__}; a mapping is expected.")
    return value


def _facts(card: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """Free facts of a card, of bounded depth: whoever prints or copies them goes down level by level."""
    facts = _mapping(card.get(what, {}), what)
    level: list[Any] = [facts]
    for _ in range(_DEEPEST):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, Mapping) else item)
            if isinstance(inner, Mapping | list | tuple)
        ]
        if not level:
            return facts
    raise CardError(
        f"The model card is malformed: {what} is nested deeper than {_DEEPEST} levels. Export the model again."
    )


def _list(value: Any, what: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise CardError(f"The model card is malformed: {what} is a {type(value).__name__}; a list is expected.")
    return value
