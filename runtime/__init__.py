"""Everything that runs without torch: NumPy, Pillow and onnxruntime.

>>> import runtime
>>> model = runtime.load("model.onnx")            # doctest: +SKIP
>>> model.predict("picture.png").label            # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.card import ModelCard
    from runtime.errors import ToolkitError
    from runtime.model import Model, load
    from runtime.results import Classification, Dense, Embedding, Failure, Multilabel, Regression
    from runtime.similarity import get_similarity, similarity_matrix, similarity_rows, top_k

__all__ = [
    "Classification",
    "Dense",
    "Embedding",
    "Failure",
    "Model",
    "ModelCard",
    "Multilabel",
    "Regression",
    "ToolkitError",
    "get_similarity",
    "load",
    "similarity_matrix",
    "similarity_rows",
    "top_k",
]

_HOMES = {
    "Classification": "runtime.results",
    "Dense": "runtime.results",
    "Embedding": "runtime.results",
    "Failure": "runtime.results",
    "Regression": "runtime.results",
    "Model": "runtime.model",
    "ModelCard": "runtime.card",
    "Multilabel": "runtime.results",
    "ToolkitError": "runtime.errors",
    "get_similarity": "runtime.similarity",
    "load": "runtime.model",
    "similarity_matrix": "runtime.similarity",
    "similarity_rows": "runtime.similarity",
    "top_k": "runtime.similarity",
}


def __getattr__(name: str) -> Any:
    """Lazy import of a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
