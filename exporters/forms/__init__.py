"""Export forms of modules, one small file each; importing the package registers them."""

from exporters.forms import (  # noqa: F401 - each registers its forms
    activations,
    adaptive_pooling,
    average_pooling,
    padded_recurrent,
    recurrent,
    response_norm,
    transformer,
)
from exporters.forms.registry import FORMS, apply_forms, find_form, form

__all__ = ["FORMS", "apply_forms", "find_form", "form"]
