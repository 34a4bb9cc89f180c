"""The model card: everything a file needs to be run as it was trained, in one JSON string."""

from runtime.card.input_cards import ArrayInput, ImageInput, InputCard, SequenceInput, TableInput, TextInput
from runtime.card.model_card import CARD_KEY, CARD_VERSION, ModelCard, OutputCard
from runtime.card.names import ROLES, STEP_ROLES, TASKS, add_names

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
]
