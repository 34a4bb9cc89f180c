"""Export forms of modules, one small file each; importing the package registers them."""

from exporters.tracing.forms import (  # noqa: F401 - each registers its forms
    activations,
    adaptive_pooling,
    attention,
    average_pooling,
    batched_nms,
    chunks,
    numeric,
    packed,
    padded_attention,
    padded_recurrent,
    padding,
    pooling,
    recurrent,
    response_norm,
    single_stage_detection,
    transformer,
)
from exporters.tracing.forms.functions import function_form, python_form
from exporters.tracing.forms.registry import FORMS, apply_forms, find_form, form

__all__ = ["FORMS", "apply_forms", "find_form", "form", "function_form", "python_form"]
