"""Results of a network for one input, one file per task; decoded from its outputs, written as text, JSON, CSV and drawn.

A task's file holds its typed result and its `DECODER`; what knows no task asks `find_decoder(card.task)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.lazy_names import lazy_names

if TYPE_CHECKING:
    from runtime.results.classification import Classification
    from runtime.results.decoder import Arrays, Decoder, Result, Runner
    from runtime.results.decoding import Prediction, decode, prediction_output
    from runtime.results.dense import Dense
    from runtime.results.embedding import Embedding
    from runtime.results.failure import Failure
    from runtime.results.fidelity import IGNORED
    from runtime.results.multilabel import THRESHOLD, Multilabel
    from runtime.results.raw import RawDecoder
    from runtime.results.registry import find_decoder, register_decoder, task_names
    from runtime.results.regression import Regression
    from runtime.results.scores import class_axis

__all__ = [
    "IGNORED",
    "THRESHOLD",
    "Arrays",
    "Classification",
    "Decoder",
    "Dense",
    "Embedding",
    "Failure",
    "Multilabel",
    "Prediction",
    "RawDecoder",
    "Regression",
    "Result",
    "Runner",
    "class_axis",
    "decode",
    "find_decoder",
    "prediction_output",
    "register_decoder",
    "task_names",
]

__getattr__ = lazy_names(
    __name__,
    {
        "runtime.results.classification": ("Classification",),
        "runtime.results.decoder": (
            "Arrays",
            "Decoder",
            "Result",
            "Runner",
        ),
        "runtime.results.decoding": (
            "Prediction",
            "decode",
            "prediction_output",
        ),
        "runtime.results.dense": ("Dense",),
        "runtime.results.embedding": ("Embedding",),
        "runtime.results.failure": ("Failure",),
        "runtime.results.fidelity": ("IGNORED",),
        "runtime.results.multilabel": (
            "THRESHOLD",
            "Multilabel",
        ),
        "runtime.results.raw": ("RawDecoder",),
        "runtime.results.registry": (
            "find_decoder",
            "register_decoder",
            "task_names",
        ),
        "runtime.results.regression": ("Regression",),
        "runtime.results.scores": ("class_axis",),
    },
)
