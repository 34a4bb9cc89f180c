"""Wrong calls with arrays, sequences, tokens, texts, data frames, torch's data sets, pairs and triplets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from toolkit import nn
from toolkit.data.readers.pairs import load_pairs, load_triplets
from toolkit.data.readers.sequences import load_sequences
from wrong_calls import Call
from wrong_calls.small import AMOUNTS, KINDS, LABELS, NAN, ROWS, STEP_KINDS, STEPS, TOKENS, WORDS


def load(inputs: Any, targets: Any, task: str = "cls", **options: Any) -> Any:
    return nn(task).load_dataset(inputs, targets, **options)


def texts(*arguments: Any, **options: Any) -> Any:
    return nn().load_text_data(*arguments, **options)


class Items(torch.utils.data.Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class Broken(Items):
    def __getitem__(self, index: int) -> Any:
        raise RuntimeError("disk gone")


class NoLen(torch.utils.data.Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return torch.zeros(4), 0


class Stream(torch.utils.data.IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([])


# A table: one call in each line.
# fmt: off
CALLS: list[Call] = [
    ("arrays of different length", lambda to: load(ROWS, KINDS[:5]), ("There are 24 inputs, but 5 labels;", "one for each is expected")),
    ("inputs without labels", lambda to: load(ROWS, None), ("load_dataset was given inputs without labels;", "give y, one label for each input")),
    ("no rows", lambda to: load(np.empty((0, 4)), np.empty(0, int)), ("The inputs have the shape (0, 4);", "(N, ...) with at least one row, and at least")),
    ("inputs of one axis", lambda to: load(np.arange(24.0), KINDS), ("The inputs have the shape (24,);", "(N, ...) with at least one row, and at least")),
    ("a number for inputs", lambda to: load(3, KINDS), ("The inputs have the shape ();", "(N, ...) with at least one row, and at least")),
    ("a path for inputs", lambda to: load("table.csv", KINDS), ("The inputs are texts", "Load them with load_texts, which looks them")),
    ("None for inputs", lambda to: load(None, KINDS), ("The inputs have the shape ();", "(N, ...) with at least one row, and at least")),
    ("texts for inputs", lambda to: load(np.array([["a", "b"]] * 24), KINDS), ("The inputs are texts", "Load them with load_texts, which looks them")),
    ("objects for inputs", lambda to: load(np.array([[None, 1]] * 24, object), KINDS), ("The inputs hold None at position (0, 0);", "finite numbers of float32 are expected")),
    ("complex inputs", lambda to: load(ROWS + 1j, KINDS), ("The inputs are complex (complex128);", "Give their parts or magnitudes")),
    ("NaN in inputs", lambda to: load(np.where(np.arange(4) == 1, NAN, ROWS), KINDS), ("The inputs hold nan at position (0, 1);", "finite numbers of float32 are expected")),
    ("infinite inputs", lambda to: load(ROWS * np.inf, KINDS), ("The inputs hold inf at position (0, 0);", "finite numbers of float32 are expected")),
    ("inputs too large for float32", lambda to: load(ROWS * 1e300, KINDS), ("The inputs hold 1.257302210933933e+299 at", "finite numbers of float32 are expected")),
    ("an axis of no length", lambda to: load(np.empty((24, 0)), KINDS), ("The inputs have the shape (24, 0);", "(N, ...) with at least one row, and at least")),
    ("ragged rows", lambda to: load([[1, 2], [3]], [0, 1]), ("The inputs are ragged: their rows differ in", "Give rows of one length, or arrays (steps")),
    ("float labels", lambda to: load(ROWS, AMOUNTS), ("The label 0.7206412846129421 is not a whole", "For values use nn('reg')")),
    ("NaN labels", lambda to: load(ROWS, np.full(24, NAN)), ("The label of row 1 is nan;", "Mend or remove the row")),
    ("infinite labels", lambda to: load(ROWS, np.full(24, np.inf)), ("The label of row 1 is inf;", "Mend or remove the row")),
    ("a missing label", lambda to: load(ROWS, [None] + ["a"] * 23), ("The label of row 1 is None;", "Mend or remove the row")),
    ("one label", lambda to: load(ROWS, 1), ("The labels are 1;", "one for each of the 24 inputs is expected")),
    ("labels of two axes", lambda to: load(ROWS, np.arange(48).reshape(24, 2)), ("The labels have the shape (24, 2);", "(N,) class labels or one-hot rows (N, K) are")),
    ("several labels for one class", lambda to: load(ROWS, np.ones((24, 3), int)), ("The labels have the shape (24, 3);", "For several labels at once use the task")),
    ("labels out of the range of classes", lambda to: load(ROWS, KINDS + 1, classes=["a", "b"]), ("2 class names were given (a, b);", "the data has 3 classes")),
    ("too many class names", lambda to: load(ROWS, np.array(list("abc"))[KINDS], classes=list("abcd")), ("4 class names were given (a, b, c, d);", "the data has 3 classes")),
    ("a class name twice", lambda to: load(ROWS, KINDS, classes=["a", "b", "a"]), ("classes names 'a' twice;", "a name for each class is expected")),
    ("classes as a text", lambda to: load(ROWS, KINDS, classes="abc"), ("classes='abc' was given;", "a list of names, or a dictionary of names and")),
    ("classes with a gap", lambda to: load(ROWS, KINDS, classes={"a": 0, "b": 1, "c": 3}), ("classes={'a': 0, 'b': 1, 'c': 3} was given;", "indices 0 to 2, one for each name, are")),
    ("no classes", lambda to: load(ROWS, KINDS, classes=[]), ("classes has no name;", "at least one, or None for those in the data")),
    ("negative labels with classes", lambda to: load(ROWS, KINDS - 1, classes=["a", "b", "c", "d"]), ("4 class names were given (a, b, c, d);", "the data has 3 classes")),
    ("text targets for a regression", lambda to: load(ROWS, ["a"] * 24, "reg"), ("The targets of dtype <U1 cannot be read as", "not convert string to float: np.str_('a')")),
    ("NaN targets", lambda to: load(ROWS, np.where(KINDS == 1, NAN, AMOUNTS), "reg"), ("The target of row 2 is nan;", "finite numbers of float32 are expected")),
    ("ragged targets", lambda to: load(ROWS, [[1, 2]] + [[1]] * 23, "reg"), ("The labels are ragged: their rows differ in", "Give rows of one length")),
    ("multilabel of classes", lambda to: load(ROWS, KINDS, "multilabel"), ("The labels are int64 of shape (24, 1);", "rows (N, K) of 0 and 1, or a list of names")),
    ("multilabel of 2", lambda to: load(ROWS, LABELS * 2, "multilabel"), ("The labels are float64 of shape (24, 3);", "rows (N, K) of 0 and 1, or a list of names")),
    ("multilabel with an unknown name", lambda to: load(ROWS, [["a"], ["d"]] * 12, "multilabel", classes=["a", "b"]), ("Row 2 has the label 'd'", "Known names: a, b")),
    ("dense of one class an example", lambda to: load(STEPS, KINDS[:8], "dense"), ("The labels are int64 of shape (8,);", "-100 counts for nothing")),
    ("dense of floats", lambda to: load(STEPS, STEP_KINDS + 0.5, "dense"), ("The labels are float64 of shape (8, 5);", "-100 counts for nothing")),
    ("dense below zero", lambda to: load(STEPS, STEP_KINDS - 1, "dense"), ("The label at position (0, 0) is -1;", "0 to 1, or -100 where none counts, is expected")),
    ("dense without any class", lambda to: load(STEPS, np.full((8, 5), -100), "dense"), ("Every position's label is -100, which counts", "at least one class is expected")),
    ("an embedding of classes", lambda to: load(ROWS, KINDS, "embedding"), ("An embedding learns from pairs or triplets;", "load them with load_pairs or load_triplets")),
    ("a share of nothing", lambda to: load(ROWS, KINDS, train_val_ratio=0), ("The training share is 0;", "a number above 0 and at most 1 is expected")),
    ("a share above 1", lambda to: load(ROWS, KINDS, train_val_ratio=1.5), ("The training share is 1.5;", "a number above 0 and at most 1 is expected")),
    ("a negative share", lambda to: load(ROWS, KINDS, train_val_ratio=-0.5), ("The training share is -0.5;", "a number above 0 and at most 1 is expected")),
    ("a share that is no number", lambda to: load(ROWS, KINDS, train_val_ratio=NAN), ("The training share is nan;", "a number above 0 and at most 1 is expected")),
    ("a share that is a text", lambda to: load(ROWS, KINDS, train_val_ratio="0.8"), ("The training share is '0.8';", "a number from 0 to 1 is expected, such as 0.8")),
    ("a share that leaves a part empty", lambda to: load(ROWS, KINDS, train_val_ratio=0.99), ("A validation share of 0.01 of 24 examples", "Use another share")),
    ("a share that leaves no training", lambda to: load(ROWS, KINDS, train_val_ratio=0.01), ("A training share of 0.01 of 24 examples", "Use another share")),
    ("a batch size of zero", lambda to: load(ROWS, KINDS, batch_size=0), ("batch_size=0 was given;", "a whole number of at least 1 is expected")),
    ("a batch size that is a float", lambda to: load(ROWS, KINDS, batch_size=8.0), ("batch_size=8.0 was given;", "a whole number of at least 1 is expected")),
    ("a batch size that is a bool", lambda to: load(ROWS, KINDS, batch_size=True), ("batch_size=True was given;", "a whole number of at least 1 is expected")),
    ("a shuffle that is a text", lambda to: load(ROWS, KINDS, shuffle="no"), ("load_dataset() was given shuffle='no';", "True or False is expected")),
    ("an argument that does not exist", lambda to: load(ROWS, KINDS, batchsize=8), ("load_dataset() has no argument 'batchsize'", "Did you mean 'batch_size'?")),
    ("ragged sequences of other widths", lambda to: load([np.zeros((3, 4)), np.zeros((2, 5))], [0, 1]), ("Sequence 2 has the shape (2, 5);", "(steps, 4) with at least one step is expected")),
    ("an empty sequence", lambda to: load([np.zeros((3, 4)), np.zeros((0, 4))], [0, 1]), ("Sequence 2 has the shape (0, 4);", "(steps, features) with at least one of each")),
    ("NaN in a sequence", lambda to: load([np.zeros((3, 4)), np.full((2, 4), NAN)], [0, 1]), ("Sequence 2 holds nan at step 1, feature 1;", "Mend the value, or remove the sequence")),
    ("a sequence of texts", lambda to: load_sequences([np.array([["a"]]), np.zeros((2, 1))], [0, 1]), ("Sequence 1 cannot be read as numbers: could", "Give arrays (steps, features)")),
    ("sequences without labels", lambda to: load_sequences([np.zeros((2, 1))], None), ("There are 1 inputs, but None labels;", "one for each is expected")),
    ("no sequences", lambda to: load_sequences([], []), ("No sequence was given;", "at least one is expected")),
    ("sequences of no length", lambda to: load_sequences([np.zeros((2, 1))] * 2, [0, 1], length=0), ("length=0 was given;", "a whole number of steps of at least 1 is")),
    ("word2idx with a gap", lambda to: load(TOKENS, TOKENS, word2idx={"a": 0, "b": 2}), ("word2idx has 2 tokens;", "the indices 0 to 1, each once, are expected")),
    ("word2idx of floats", lambda to: load(TOKENS, TOKENS, word2idx={"a": "x"}), ("word2idx is a mapping whose values are not", "a dictionary from token to index, that as")),
    ("word2idx that is empty", lambda to: load(TOKENS, TOKENS, word2idx={}), ("word2idx is empty;", "a dictionary from token to index, that as")),
    ("word2idx that is a number", lambda to: load(TOKENS, TOKENS, word2idx=4), ("word2idx is a int;", "a dictionary from token to index, that as")),
    ("tokens outside of the vocabulary", lambda to: load(TOKENS + 1, TOKENS, word2idx=WORDS), ("The inputs hold 4 at position (0, 3);", "the vocabulary has the positions 0 to 3")),
    ("tokens below zero", lambda to: load(TOKENS - 1, TOKENS, word2idx=WORDS), ("The inputs hold -1 at position (0, 0);", "the vocabulary has the positions 0 to 3")),
    ("tokens that are floats", lambda to: load(TOKENS + 0.5, TOKENS, word2idx=WORDS), ("The inputs are float64 of shape (8, 6);", "whole numbers (N, L), positions in the")),
    ("targets outside of the vocabulary", lambda to: load(TOKENS, TOKENS + 1, word2idx=WORDS), ("The labels hold 4 at position (0, 3);", "the vocabulary has the positions 0 to 3")),
    ("ragged tokens", lambda to: load([[1, 2], [1]], [[1, 2], [1]], word2idx=WORDS), ("The inputs are ragged: their rows differ in", "Give rows of one length, filled up with a")),
    ("tokens without labels", lambda to: load(TOKENS, None, word2idx=WORDS), ("The tokens have the shape (8, 6) and the", "labels of the same shape, or one for each of")),
    ("tokens with other labels", lambda to: load(TOKENS, TOKENS[:, :3], word2idx=WORDS), ("The labels have the shape (8, 3);", "(N,) class labels or one-hot rows (N, K) are")),
    ("a text in place of texts", lambda to: texts("abc", [0]), ("A str was given;", "a list of texts is expected")),
    ("no texts", lambda to: texts([], []), ("No text was given;", "at least one is expected")),
    ("texts that are numbers", lambda to: texts([1, 2], [0, 1]), ("Input 1 is of the type int;", "a text is expected")),
    ("fewer labels than texts", lambda to: texts(["a", "b"], [0]), ("There are 2 texts, but 1 labels;", "one for each is expected")),
    ("texts of nothing", lambda to: texts(["", ""], [0, 1]), ("The texts have no character that occurs 1", "there is nothing to learn from")),
    ("an empty text", lambda to: texts(["", "a"], [0, 1]), ("The text '' is empty;", "Remove it")),
    ("texts at an unknown level", lambda to: texts(["a", "b"], [0, 1], level="char"), ("level='char' was given", "Did you mean 'character'?")),
    ("texts of no length", lambda to: texts(["a", "b"], [0, 1], length=0), ("length=0 was given;", "a whole number of tokens of at least 1 is")),
    ("an option of texts that does not exist", lambda to: texts(["a", "b"], [0, 1], lower=True), ("load_text_data() has no argument 'lower'", "Did you mean 'lowercase'?")),
    ("a vocabulary of two", lambda to: texts(["a", "b"], [0, 1], size=2), ("size=2 was given;", "a whole number of at least 3 is expected")),
    ("words too rare", lambda to: texts(["a", "b"], [0, 1], min_count=5), ("The texts have no character that occurs 5", "there is nothing to learn from")),
    ("min_count that is a text", lambda to: texts(["a", "b"], [0, 1], min_count="1"), ("min_count='1' was given;", "a whole number of at least 1 is expected")),
    ("an unknown normalization", lambda to: texts(["a", "b"], [0, 1], normalization="NFX"), ("normalization='NFX' was given", "Did you mean 'NFC'?")),
    ("lowercase that is a text", lambda to: texts(["a", "b"], [0, 1], lowercase="no"), ("lowercase='no' was given;", "True or False is expected")),
    ("a torch data set without labels", lambda to: load(Items([torch.zeros(4)] * 4), None), ("Items, item 0 is a Tensor without a label;", "(x, y), an input with its label, is expected")),
    ("a torch data set of nothing", lambda to: load(Items([]), None), ("Items is empty;", "at least one item is expected")),
    ("a torch data set of different shapes", lambda to: load(Items([(torch.zeros(4), 0), (torch.zeros(5), 1)]), None), ("The items differ in shape: item 0 is (4,)", "Bring them to one shape in the data set's")),
    ("a data frame without a label", lambda to: load({"a": [1.0, 2.0], "b": [0, 1]}, "c"), ("The data frame has no column 'c' for the label", "Known names: a, b")),
    ("a data frame of different lengths", lambda to: load({"a": [1.0, 2.0], "b": [0]}, "b"), ("The columns differ in length: a 2, b 1", "Bring them to one")),
    ("pairs of different shapes", lambda to: load_pairs(ROWS, ROWS[:, :3], np.ones(24)), ("x1 has the shape (24, 4) and x2 (24, 3);", "as many inputs of one kind and shape are")),
    ("pairs with a mark of 2", lambda to: load_pairs(ROWS, ROWS, np.full(24, 2)), ("same holds something else than True and", "than True and False, 1 and 0, or 1 and -1")),
    ("pairs of other lengths", lambda to: load_pairs(ROWS, ROWS, np.ones(3)), ("same has the shape (3,);", "(24,), one for each pair, is expected")),
    ("triplets of other lengths", lambda to: load_triplets(ROWS, ROWS, ROWS[:3]), ("anchor has the shape (24, 4) and negative (3", "as many inputs of one kind and shape are")),
    ("a share of None", lambda to: load(ROWS, KINDS, train_val_ratio=None), ("The training share is None;", "a number from 0 to 1 is expected, such as 0.8")),
    ("labels in a set", lambda to: load(ROWS, set(range(24))), ("The labels are {0, 1, 2, 3, 4, 5, 6, 7, 8, 9", "one for each input is expected")),
    ("labels in one text", lambda to: load(ROWS, "a" * 24), ("The labels are 'aaaaaaaaaaaaaaaaaaaaaaaa';", "one for each input is expected")),
    ("inputs from a generator", lambda to: load((r for r in ROWS), KINDS), ("The inputs have the shape ();", "(N, ...) with at least one row, and at least")),
    ("inputs in bytes", lambda to: load(b"abc", KINDS), ("The inputs are texts", "Load them with load_texts, which looks them")),
    ("inputs that are dates", lambda to: load(np.array([["2020-01-01"]]*24, "datetime64[D]"), KINDS), ("The inputs are dates or times (datetime64[D]);", "Turn them into numbers")),
    ("arrays of pictures of different sizes", lambda to: load([np.zeros((8,8,3),np.uint8), np.zeros((9,8,3),np.uint8)], [0,1]), ("The inputs are ragged: their rows differ in", "Give rows of one length, or arrays (steps")),
    ("a sparse tensor", lambda to: load(torch.eye(24).to_sparse(), KINDS), ("A sparse tensor was given;", "a dense one with numbers is expected, such as")),
    ("a tensor without numbers", lambda to: load(torch.zeros(24,4,device="meta"), KINDS), ("A without numbers tensor was given;", "a dense one with numbers is expected, such as")),
    ("a torch data set that fails", lambda to: load(Broken([1,2]), None), ("Broken failed on its item 0: RuntimeError:", "failed on its item 0: RuntimeError: disk gone")),
    ("a torch data set without length", lambda to: load(NoLen(), None), ("NoLen has items by number, but no length;", "give it a __len__")),
    ("an empty stream", lambda to: load(Stream(), None), ("Stream is empty;", "at least one item is expected")),
    ("a torch data set of three values", lambda to: load(Items([(torch.zeros(4), 0, 1)]*4), None), ("Items, item 0 is 3 values;", "(x, y), an input with its label, is expected")),
    ("a torch data set with NaN", lambda to: load(Items([(torch.full((4,), float("nan")), 0)]*4), None), ("The inputs hold nan at position (0, 0);", "finite numbers of float32 are expected")),
    ("a torch data set without a label", lambda to: load(Items([(torch.zeros(4), None)]*4), None), ("The label of row 1 is None;", "Mend or remove the row")),
]
# fmt: on
