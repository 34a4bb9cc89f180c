"""Wrong calls of what loads data."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from wrong_calls import Call
from wrong_calls.small import *

from toolkit import nn
from toolkit.data.pairs import load_pairs, load_triplets
from toolkit.data.sequences import load_sequences
from toolkit.data.text import load_texts
from toolkit.data.source import open_source

TABLE = "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n"
NAN = float("nan")


def load(inputs, targets, task="cls", **options):
    return nn(task).load_dataset(inputs, targets, **options)


def csv(to, text, task="cls", name="table.csv", **options):
    return nn(task).load_tab_data(table(to, text, name), **options)


def npz(to, **arrays):
    np.savez(to / "data.npz", **arrays)
    return nn().load_npz_data(to / "data.npz")


def pictures(to, sizes=((8, 8), (8, 8)), **options):
    for number, (height, width) in enumerate(sizes):
        folder = to / "pictures" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(folder / f"{number}.png")
    return nn().load_img_data(to / "pictures", **options)

def empty_folder(to):
    (to / "nothing").mkdir()
    return nn().load_img_data(to / "nothing")

def empty_classes(to):
    for n in "ab": (to / "nothing" / n).mkdir(parents=True)
    return nn().load_img_data(to / "nothing")

def flat_folder(to):
    Image.new("RGB", (4, 4)).save(to / "a.png")
    return nn().load_img_data(to)

def corrupt(to, content=b"not a picture"):
    for n in "ab":
        (to / n).mkdir()
        Image.new("RGB", (4, 4)).save(to / n / "0.png")
    (to / "a" / "1.png").write_bytes(content)
    return nn().load_img_data(to)

def cut(to):
    for n in "ab":
        (to / n).mkdir()
        Image.effect_noise((64, 64), 50).save(to / n / "0.png")
    whole = (to / "a" / "0.png").read_bytes()
    (to / "a" / "1.png").write_bytes(whole[:len(whole) // 2])
    return nn().load_img_data(to, color="grayscale")

class Items(torch.utils.data.Dataset):
    def __init__(self, items): self.items = items
    def __len__(self): return len(self.items)
    def __getitem__(self, i): return self.items[i]

def texts(*args, **k):
    return nn().load_text_data(*args, **k)


CALLS: list[Call] = [
    ("arrays of different length", lambda to: load(ROWS, KINDS[:5]), ()),
    ("inputs without labels", lambda to: load(ROWS, None), ()),
    ("no rows", lambda to: load(np.empty((0, 4)), np.empty(0, int)), ()),
    ("inputs of one axis", lambda to: load(np.arange(24.0), KINDS), ()),
    ("a number for inputs", lambda to: load(3, KINDS), ()),
    ("a path for inputs", lambda to: load("table.csv", KINDS), ()),
    ("None for inputs", lambda to: load(None, KINDS), ()),
    ("texts for inputs", lambda to: load(np.array([["a", "b"]] * 24), KINDS), ()),
    ("objects for inputs", lambda to: load(np.array([[None, 1]] * 24, object), KINDS), ()),
    ("complex inputs", lambda to: load(ROWS + 1j, KINDS), ()),
    ("NaN in inputs", lambda to: load(np.where(np.arange(4) == 1, NAN, ROWS), KINDS), ()),
    ("infinite inputs", lambda to: load(ROWS * np.inf, KINDS), ()),
    ("inputs too large for float32", lambda to: load(ROWS * 1e300, KINDS), ()),
    ("an axis of no length", lambda to: load(np.empty((24, 0)), KINDS), ()),
    ("ragged rows", lambda to: load([[1, 2], [3]], [0, 1]), ()),
    ("float labels", lambda to: load(ROWS, AMOUNTS), ()),
    ("NaN labels", lambda to: load(ROWS, np.full(24, NAN)), ()),
    ("infinite labels", lambda to: load(ROWS, np.full(24, np.inf)), ()),
    ("a missing label", lambda to: load(ROWS, [None] + ["a"] * 23), ()),
    ("labels of several kinds", lambda to: load(ROWS, [1] + ["a"] * 23), ()),
    ("one label", lambda to: load(ROWS, 1), ()),
    ("labels of two axes", lambda to: load(ROWS, np.arange(48).reshape(24, 2)), ()),
    ("several labels for one class", lambda to: load(ROWS, np.ones((24, 3), int)), ()),
    ("one class alone", lambda to: load(ROWS, np.zeros(24, int)), ()),
    ("labels out of the range of classes", lambda to: load(ROWS, KINDS + 1, classes=["a", "b"]), ()),
    ("too many class names", lambda to: load(ROWS, np.array(list("abc"))[KINDS], classes=list("abcd")), ()),
    ("a class name twice", lambda to: load(ROWS, KINDS, classes=["a", "b", "a"]), ()),
    ("classes as a text", lambda to: load(ROWS, KINDS, classes="abc"), ()),
    ("classes with a gap", lambda to: load(ROWS, KINDS, classes={"a": 0, "b": 1, "c": 3}), ()),
    ("no classes", lambda to: load(ROWS, KINDS, classes=[]), ()),
    ("negative labels with classes", lambda to: load(ROWS, KINDS - 1, classes=["a", "b", "c", "d"]), ()),
    ("text targets for a regression", lambda to: load(ROWS, ["a"] * 24, "reg"), ()),
    ("NaN targets", lambda to: load(ROWS, np.where(KINDS == 1, NAN, AMOUNTS), "reg"), ()),
    ("ragged targets", lambda to: load(ROWS, [[1, 2]] + [[1]] * 23, "reg"), ()),
    ("multilabel of classes", lambda to: load(ROWS, KINDS, "multilabel"), ()),
    ("multilabel of 2", lambda to: load(ROWS, LABELS * 2, "multilabel"), ()),
    ("multilabel with an unknown name", lambda to: load(ROWS, [["a"], ["d"]] * 12, "multilabel", classes=["a", "b"]), ()),
    ("dense of one class an example", lambda to: load(STEPS, KINDS[:8], "dense"), ()),
    ("dense of floats", lambda to: load(STEPS, STEP_KINDS + 0.5, "dense"), ()),
    ("dense below zero", lambda to: load(STEPS, STEP_KINDS - 1, "dense"), ()),
    ("dense without any class", lambda to: load(STEPS, np.full((8, 5), -100), "dense"), ()),
    ("an embedding of classes", lambda to: load(ROWS, KINDS, "embedding"), ()),
    ("a share of nothing", lambda to: load(ROWS, KINDS, train_val_ratio=0), ()),
    ("a share above 1", lambda to: load(ROWS, KINDS, train_val_ratio=1.5), ()),
    ("a negative share", lambda to: load(ROWS, KINDS, train_val_ratio=-0.5), ()),
    ("a share that is no number", lambda to: load(ROWS, KINDS, train_val_ratio=NAN), ()),
    ("a share that is a text", lambda to: load(ROWS, KINDS, train_val_ratio="0.8"), ()),
    ("a share that leaves a part empty", lambda to: load(ROWS, KINDS, train_val_ratio=0.99), ()),
    ("a share that leaves no training", lambda to: load(ROWS, KINDS, train_val_ratio=0.01), ()),
    ("a batch size of zero", lambda to: load(ROWS, KINDS, batch_size=0), ()),
    ("a batch size that is a float", lambda to: load(ROWS, KINDS, batch_size=8.0), ()),
    ("a batch size that is a bool", lambda to: load(ROWS, KINDS, batch_size=True), ()),
    ("a shuffle that is a text", lambda to: load(ROWS, KINDS, shuffle="no"), ()),
    ("an argument that does not exist", lambda to: load(ROWS, KINDS, batchsize=8), ()),
    ("ragged sequences of other widths", lambda to: load([np.zeros((3, 4)), np.zeros((2, 5))], [0, 1]), ()),
    ("an empty sequence", lambda to: load([np.zeros((3, 4)), np.zeros((0, 4))], [0, 1]), ()),
    ("NaN in a sequence", lambda to: load([np.zeros((3, 4)), np.full((2, 4), NAN)], [0, 1]), ()),
    ("a sequence of texts", lambda to: load_sequences([np.array([["a"]]), np.zeros((2, 1))], [0, 1]), ()),
    ("sequences without labels", lambda to: load_sequences([np.zeros((2, 1))], None), ()),
    ("no sequences", lambda to: load_sequences([], []), ()),
    ("sequences of no length", lambda to: load_sequences([np.zeros((2, 1))] * 2, [0, 1], length=0), ()),
    ("word2idx with a gap", lambda to: load(TOKENS, TOKENS, word2idx={"a": 0, "b": 2}), ()),
    ("word2idx of floats", lambda to: load(TOKENS, TOKENS, word2idx={"a": "x"}), ()),
    ("word2idx that is empty", lambda to: load(TOKENS, TOKENS, word2idx={}), ()),
    ("word2idx that is a number", lambda to: load(TOKENS, TOKENS, word2idx=4), ()),
    ("tokens outside of the vocabulary", lambda to: load(TOKENS + 1, TOKENS, word2idx=WORDS), ()),
    ("tokens below zero", lambda to: load(TOKENS - 1, TOKENS, word2idx=WORDS), ()),
    ("tokens that are floats", lambda to: load(TOKENS + 0.5, TOKENS, word2idx=WORDS), ()),
    ("targets outside of the vocabulary", lambda to: load(TOKENS, TOKENS + 1, word2idx=WORDS), ()),
    ("ragged tokens", lambda to: load([[1, 2], [1]], [[1, 2], [1]], word2idx=WORDS), ()),
    ("tokens without labels", lambda to: load(TOKENS, None, word2idx=WORDS), ()),
    ("tokens with other labels", lambda to: load(TOKENS, TOKENS[:, :3], word2idx=WORDS), ()),
    ("a text in place of texts", lambda to: texts("abc", [0]), ()),
    ("no texts", lambda to: texts([], []), ()),
    ("texts that are numbers", lambda to: texts([1, 2], [0, 1]), ()),
    ("fewer labels than texts", lambda to: texts(["a", "b"], [0]), ()),
    ("texts of nothing", lambda to: texts(["", ""], [0, 1]), ()),
    ("an empty text", lambda to: texts(["", "a"], [0, 1]), ()),
    ("texts at an unknown level", lambda to: texts(["a", "b"], [0, 1], level="char"), ()),
    ("texts of no length", lambda to: texts(["a", "b"], [0, 1], length=0), ()),
    ("an option of texts that does not exist", lambda to: texts(["a", "b"], [0, 1], lower=True), ()),
    ("a vocabulary of two", lambda to: texts(["a", "b"], [0, 1], size=2), ()),
    ("words too rare", lambda to: texts(["a", "b"], [0, 1], min_count=5), ()),
    ("min_count that is a text", lambda to: texts(["a", "b"], [0, 1], min_count="1"), ()),
    ("an unknown normalization", lambda to: texts(["a", "b"], [0, 1], normalization="NFX"), ()),
    ("lowercase that is a text", lambda to: texts(["a", "b"], [0, 1], lowercase="no"), ()),
    ("a table that is missing", lambda to: nn().load_tab_data(to / "none.csv"), ()),
    ("a folder for a table", lambda to: nn().load_tab_data(to), ()),
    ("an empty table", lambda to: csv(to, ""), ()),
    ("a header only", lambda to: csv(to, "a,b,kind\n"), ()),
    ("a table of one column", lambda to: csv(to, "kind\nx\ny\n"), ()),
    ("a table with NaN", lambda to: csv(to, TABLE + "nan,1,x\n"), ()),
    ("a table with infinity", lambda to: csv(to, TABLE + "inf,1,x\n"), ()),
    ("a table with a text", lambda to: csv(to, TABLE + "one,1,x\n"), ()),
    ("a table with an empty cell", lambda to: csv(to, TABLE + ",1,x\n"), ()),
    ("a table with ragged rows", lambda to: csv(to, TABLE + "1,2\n"), ()),
    ("a table with too many cells", lambda to: csv(to, TABLE + "1,2,x,y\n"), ()),
    ("a table with an empty label", lambda to: csv(to, TABLE + "1,2,\n"), ()),
    ("a table with a column twice", lambda to: csv(to, "a,a,kind\n1,2,x\n"), ()),
    ("a table with separators of Excel", lambda to: csv(to, TABLE.replace(",", ";")), ()),
    ("a table that is not UTF-8", lambda to: (to.joinpath("t.csv").write_bytes("a,b\n1,é\n".encode("latin-1")), nn().load_tab_data(to / "t.csv")), ()),
    ("a table that is a picture", lambda to: (Image.new("RGB", (4, 4)).save(to / "t.png"), nn().load_tab_data(to / "t.png")), ()),
    ("a table without header", lambda to: csv(to, "1,2,0\n3,4,1\n"), ()),
    ("a label column that does not exist", lambda to: csv(to, TABLE, label="knd"), ()),
    ("a label column that is a number", lambda to: csv(to, TABLE, label=2), ()),
    ("all columns as labels", lambda to: csv(to, TABLE, label=["a", "b", "kind"]), ()),
    ("two label columns for a class", lambda to: csv(to, TABLE, label=["b", "kind"]), ()),
    ("names for a regression", lambda to: csv(to, TABLE, "reg"), ()),
    ("numbers with fractions for classes", lambda to: csv(to, "a,b,kind\n1,2,0.5\n3,4,1.5\n"), ()),
    ("NaN for classes", lambda to: csv(to, "a,b,kind\n1,2,nan\n3,4,1\n"), ()),
    ("infinite classes", lambda to: csv(to, "a,b,kind\n1,2,inf\n3,4,1\n"), ()),
    ("a table for dense", lambda to: csv(to, TABLE, "dense"), ()),
    ("a table for an embedding", lambda to: csv(to, TABLE, "embedding"), ()),
    ("scale that is a text", lambda to: csv(to, TABLE, scale="no"), ()),
    ("classes of another number than the table's", lambda to: csv(to, TABLE, classes=["x", "y", "z"]), ()),
    ("an NPZ that is missing", lambda to: nn().load_npz_data(to / "none.npz"), ()),
    ("an NPZ without label", lambda to: npz(to, data=ROWS), ()),
    ("an NPZ without data", lambda to: npz(to, x=ROWS, label=KINDS), ()),
    ("an NPZ of other lengths", lambda to: npz(to, data=ROWS, label=KINDS[:3]), ()),
    ("an NPZ of pickled objects", lambda to: npz(to, data=ROWS, label=KINDS, word2idx=np.array({"a": 0}, object)), ()),
    ("an NPZ that is a text", lambda to: nn().load_npz_data(table(to, "hello", "d.npz")), ()),
    ("an NPZ of labels with fractions", lambda to: npz(to, data=ROWS, label=AMOUNTS), ()),
    ("an NPY in place of an NPZ", lambda to: (np.save(to / "d.npy", ROWS), nn().load_npz_data(to / "d.npy")), ()),
    ("a folder that is missing", lambda to: nn().load_img_data(to / "none"), ()),
    ("a file for a folder", lambda to: nn().load_img_data(table(to, "x")), ()),
    ("an empty folder", empty_folder, ()),
    ("empty class folders", empty_classes, ()),
    ("pictures without class folders", flat_folder, ()),
    ("a picture that is none", corrupt, ()),
    ("an empty picture", lambda to: corrupt(to, b""), ()),
    ("a picture that is cut", cut, ()),
    ("pictures of different sizes", lambda to: pictures(to, ((8, 8), (9, 8))), ()),
    ("a colour that does not exist", lambda to: pictures(to, color="rgb"), ()),
    ("too few class names for the folders", lambda to: pictures(to, classes=["a"]), ()),
    ("pictures for a regression", lambda to: (pictures(to), nn("reg").load_img_data(to / "pictures")), ()),
    ("a transform that does not exist", lambda to: pictures(to, transform={"Rezise": 4}), ()),
    ("a transform's argument that does not exist", lambda to: pictures(to, transform={"RandomRotation": {"angle": 3}}), ()),
    ("a transform's argument of a wrong kind", lambda to: pictures(to, transform={"RandomRotation": "ten"}), ()),
    ("a probability of 2", lambda to: pictures(to, transform={"RandomHorizontalFlip": 2}), ()),
    ("a resize to zero", lambda to: pictures(to, transform={"Resize": [0, 4]}), ()),
    ("a resize to three lengths", lambda to: pictures(to, transform={"Resize": [4, 4, 4]}), ()),
    ("a crop larger than the picture", lambda to: pictures(to, transform={"RandomCrop": 20}), ()),
    ("a normalisation of other channels", lambda to: pictures(to, transform={"Normalize": {"mean": [0.5], "std": [0.5]}}), ()),
    ("a normalisation with deviation 0", lambda to: pictures(to, transform={"Normalize": {"mean": 0.5, "std": 0}}), ()),
    ("a transform that is a number", lambda to: pictures(to, transform=3), ()),
    ("a transform that is a text", lambda to: pictures(to, transform="Resize"), ()),
    ("a transform that is a function", lambda to: pictures(to, transform=lambda x: x), ()),
    ("a resize after a crop", lambda to: pictures(to, transform=[{"CenterCrop": 4}, {"Resize": 8}]), ()),
    ("mixing twice", lambda to: pictures(to, transform={"MixUp": 0.2, "CutMix": 1.0}), ()),
    ("mixing with a negative alpha", lambda to: pictures(to, transform={"MixUp": -1}), ()),
    ("noise of 2", lambda to: pictures(to, transform={"SaltAndPepperNoise": 2}), ()),
    ("RandomChoice of nothing", lambda to: pictures(to, transform={"RandomChoice": []}), ()),
    ("negative workers", lambda to: pictures(to, num_workers=-1), ()),
    ("workers that are a text", lambda to: pictures(to, num_workers="2"), ()),
    ("a torch data set without labels", lambda to: load(Items([torch.zeros(4)] * 4), None), ()),
    ("a torch data set of nothing", lambda to: load(Items([]), None), ()),
    ("a torch data set of different shapes", lambda to: load(Items([(torch.zeros(4), 0), (torch.zeros(5), 1)]), None), ()),
    ("a torch data set of texts", lambda to: load(Items([("a", 0), ("b", 1)]), None), ()),
    ("a data frame without a label", lambda to: load({"a": [1.0, 2.0], "b": [0, 1]}, "c"), ()),
    ("a data frame of different lengths", lambda to: load({"a": [1.0, 2.0], "b": [0]}, "b"), ()),
    ("pairs of different shapes", lambda to: load_pairs(ROWS, ROWS[:, :3], np.ones(24)), ()),
    ("pairs with a mark of 2", lambda to: load_pairs(ROWS, ROWS, np.full(24, 2)), ()),
    ("pairs of other lengths", lambda to: load_pairs(ROWS, ROWS, np.ones(3)), ()),
    ("triplets of other lengths", lambda to: load_triplets(ROWS, ROWS, ROWS[:3]), ()),
    ("a source that is missing", lambda to: open_source(to / "none"), ()),
    ("a source of an unknown kind", lambda to: open_source(table(to, "x", "data.xls")), ()),
    ("a source for an unknown task", lambda to: open_source(table(to, TABLE), task="cls"), ()),
    ("a data set for another task", lambda to: nn("reg").use(open_source(table(to, TABLE))), ()),
]
