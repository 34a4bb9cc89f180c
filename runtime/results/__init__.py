"""Results of a network for one input, one file per task; decoded from its outputs, written as text, JSON and CSV."""

from runtime.results.classification import Classification
from runtime.results.decoding import Prediction, decode, prediction_output
from runtime.results.dense import Dense
from runtime.results.embedding import Embedding
from runtime.results.failure import Failure
from runtime.results.multilabel import THRESHOLD, Multilabel
from runtime.results.regression import Regression
from runtime.results.scores import class_axis

__all__ = [
    "THRESHOLD",
    "Classification",
    "Dense",
    "Embedding",
    "Failure",
    "Multilabel",
    "Prediction",
    "Regression",
    "class_axis",
    "decode",
    "prediction_output",
]
