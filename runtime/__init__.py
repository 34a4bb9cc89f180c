"""Everything that runs without torch: NumPy, Pillow and onnxruntime.

>>> import runtime
>>> model = runtime.load("model.onnx")            # doctest: +SKIP
>>> model.predict("picture.png").label            # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.lazy_names import lazy_names

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

__getattr__ = lazy_names(
    __name__,
    {
        "runtime.card": ("ModelCard",),
        "runtime.errors": ("ToolkitError",),
        "runtime.model": ("Model", "load"),
        "runtime.results": ("Classification", "Dense", "Embedding", "Failure", "Multilabel", "Regression"),
        "runtime.similarity": ("get_similarity", "similarity_matrix", "similarity_rows", "top_k"),
    },
)


def __dir__() -> list[str]:
    return __all__
