"""Results of a network for one input, one file per task; decoded from its outputs, written as text, JSON, CSV and drawn.

A task's file holds its typed result and its decoder, which it registers; what knows no task asks `find_decoder(card.task)`.
"""

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
