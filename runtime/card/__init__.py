"""The model card: everything a file needs to be run as it was trained, in one JSON string."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.lazy_names import lazy_names

if TYPE_CHECKING:
    from runtime.card.array_input import ArrayInput
    from runtime.card.image_input import ImageInput, image_inputs
    from runtime.card.input_card import InputCard, register_input
    from runtime.card.model_card import CARD_KEY, CARD_VERSION, ModelCard, OutputCard
    from runtime.card.names import ROLES, STEP_ROLES, TASKS, add_names
    from runtime.card.sequence_input import SequenceInput
    from runtime.card.table_input import TableInput
    from runtime.card.text_input import TextInput

__all__ = [
    "CARD_KEY",
    "CARD_VERSION",
    "ROLES",
    "STEP_ROLES",
    "TASKS",
    "ArrayInput",
    "ImageInput",
    "InputCard",
    "ModelCard",
    "OutputCard",
    "SequenceInput",
    "TableInput",
    "TextInput",
    "add_names",
    "image_inputs",
    "register_input",
]

__getattr__ = lazy_names(
    __name__,
    {
        "runtime.card.array_input": ("ArrayInput",),
        "runtime.card.image_input": (
            "ImageInput",
            "image_inputs",
        ),
        "runtime.card.input_card": (
            "InputCard",
            "register_input",
        ),
        "runtime.card.model_card": (
            "CARD_KEY",
            "CARD_VERSION",
            "ModelCard",
            "OutputCard",
        ),
        "runtime.card.names": (
            "ROLES",
            "STEP_ROLES",
            "TASKS",
            "add_names",
        ),
        "runtime.card.sequence_input": ("SequenceInput",),
        "runtime.card.table_input": ("TableInput",),
        "runtime.card.text_input": ("TextInput",),
    },
)
