"""The model card: everything a file needs to be run as it was trained, in one JSON string."""

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
