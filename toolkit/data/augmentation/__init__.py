"""Random changes of training pictures by name, as plain JSON; nothing of it reaches the card."""

from toolkit.data.augmentation.augment import Augmentation
from toolkit.data.augmentation.crops import Crops
from toolkit.data.augmentation.mix import Mix
from toolkit.data.augmentation.steps import Step, read_steps

__all__ = ["Augmentation", "Crops", "Mix", "Step", "read_steps"]
