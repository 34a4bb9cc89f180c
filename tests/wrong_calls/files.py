"""Wrong calls with tables, NPZ files, folders of pictures, and transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from toolkit import nn
from toolkit.data.source import open_source
from wrong_calls import Call
from wrong_calls.small import AMOUNTS, KINDS, ROWS, table, written

TABLE = "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n"


def csv(to: Path, text: str, task: str = "cls", **options: Any) -> Any:
    return nn(task).load_tab_data(table(to, text), **options)


def npz(to: Path, **arrays: Any) -> Any:
    np.savez(to / "data.npz", **arrays)
    return nn().load_npz_data(to / "data.npz")


def npy(to: Path) -> Path:
    np.save(to / "data.npy", ROWS)
    return to / "data.npy"


def picture(path: Path, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((size[1], size[0]), 50).convert("RGB").save(path)
    return path


def drawn(to: Path, *sizes: tuple[int, int]) -> Path:
    """A picture of each size, by turns in the folders of two classes."""
    for number, size in enumerate(sizes or ((8, 8), (8, 8))):
        picture(to / "pictures" / f"class{number % 2}" / f"{number}.png", size)
    return to / "pictures"


def pictures(to: Path, sizes: tuple[tuple[int, int], ...] = (), **options: Any) -> Any:
    return nn().load_img_data(drawn(to, *sizes), **options)


def corrupt(to: Path, content: bytes = b"not a picture") -> Any:
    (drawn(to) / "class0" / "0.png").write_bytes(content)
    return nn().load_img_data(to / "pictures")


def cut(to: Path) -> Any:
    path = drawn(to, (64, 64), (64, 64)) / "class0" / "0.png"
    path.write_bytes(path.read_bytes()[:2000])
    return nn().load_img_data(to / "pictures")


def empty_folder(to: Path) -> Any:
    (to / "nothing").mkdir()
    return nn().load_img_data(to / "nothing")


def empty_classes(to: Path) -> Any:
    (to / "nothing" / "cat").mkdir(parents=True)
    return nn().load_img_data(to / "nothing")


def flat_folder(to: Path) -> Any:
    picture(to / "a.png")
    return nn().load_img_data(to)


def composed() -> Any:
    from torchvision.transforms import v2

    return v2.Compose([lambda x: x])


# A table: one call in each line.
# fmt: off
CALLS: list[Call] = [
    ("a table that is missing", lambda to: nn().load_tab_data(to / "none.csv"), ("does not exist", "it is looked up from")),
    ("a folder for a table", lambda to: nn().load_tab_data(to), ("is a folder", "a file is expected")),
    ("an empty table", lambda to: csv(to, ""), ("is empty;", "a header and at least one row are expected")),
    ("a header only", lambda to: csv(to, "a,b,kind\n"), ("has 3 columns and 0 rows;", "at least one number column, a label and a row")),
    ("a table of one column", lambda to: csv(to, "kind\nx\ny\n"), ("has 1 columns and 2 rows;", "at least one number column, a label and a row")),
    ("a table with NaN", lambda to: csv(to, TABLE + "nan,1,x\n"), ("row 5, column 'a': the cell is 'nan';", "Mend the cell, or remove the row or the column")),
    ("a table with infinity", lambda to: csv(to, TABLE + "inf,1,x\n"), ("row 5, column 'a': the cell is 'inf';", "Mend the cell, or remove the row or the column")),
    ("a table with a text", lambda to: csv(to, TABLE + "one,1,x\n"), ("row 5, column 'a': the cell is 'one';", "Mend the cell, or remove the row or the column")),
    ("a table with an empty cell", lambda to: csv(to, TABLE + ",1,x\n"), ("row 5, column 'a': the cell is empty;", "Mend the cell, or remove the row or the column")),
    ("a table with ragged rows", lambda to: csv(to, TABLE + "1,2\n"), ("line 6: 2 cells;", "Mend the line")),
    ("a table with too many cells", lambda to: csv(to, TABLE + "1,2,x,y\n"), ("line 6: 4 cells;", "Mend the line")),
    ("a table with an empty label", lambda to: csv(to, TABLE + "1,2,\n"), ("row 5, column 'kind': the label is empty", "Mend or remove the row")),
    ("a table with a column twice", lambda to: csv(to, "a,a,kind\n1,2,x\n"), ("has two columns named 'a'", "Rename or remove one")),
    ("a table with separators of Excel", lambda to: csv(to, TABLE.replace(",", ";")), ("is not separated by commas: its header is", "Save it as comma-separated values")),
    ("a table that is not UTF-8", lambda to: nn().load_tab_data(written(to, "t.csv", "a,b\n1,é\n".encode("latin-1"))), ("cannot be read as a CSV table: 'utf-8' codec", "Save it as CSV in UTF-8")),
    ("a table that is a picture", lambda to: nn().load_tab_data(picture(to / "t.png")), ("cannot be read as a CSV table: 'utf-8' codec", "Save it as CSV in UTF-8")),
    ("a table without header", lambda to: csv(to, "1,2,0\n3,4,1\n"), ("begins with 1, 2, 0, which is a row of data;", "Add one as the first line")),
    ("a label column that does not exist", lambda to: csv(to, TABLE, label="knd"), ("has no column 'knd' for the label", "Did you mean 'kind'?")),
    ("a label column that is a number", lambda to: csv(to, TABLE, label=2), ("label=2 was given; the name of a column", "has a, b, kind.")),
    ("all columns as labels", lambda to: csv(to, TABLE, label=["a", "b", "kind"]), ("has no columns but the labels a, b, kind", "at least one of numbers is expected")),
    ("two label columns for a class", lambda to: csv(to, TABLE, label=["b", "kind"]), ("2 label columns were named for a classification", "use the task 'multilabel'")),
    ("names for a regression", lambda to: csv(to, TABLE, "reg"), ("row 1, column 'kind': the cell is 'x';", "The column holds texts ('x', 'y')")),
    ("numbers with fractions for classes", lambda to: csv(to, "a,b,kind\n1,2,0.5\n3,4,1.5\n"), ("column 'kind', row 1: the label is 0.5;", "For values use the task 'reg'")),
    ("NaN for classes", lambda to: csv(to, "a,b,kind\n1,2,nan\n3,4,1\n"), ("column 'kind', row 1: the label is 'nan'", "Mend or remove the row")),
    ("infinite classes", lambda to: csv(to, "a,b,kind\n1,2,inf\n3,4,1\n"), ("column 'kind', row 1: the label is 'inf'", "Mend or remove the row")),
    ("a table for dense", lambda to: csv(to, TABLE, "dense"), ("A table has no targets for the task 'dense';", "it holds classes, labels or values")),
    ("a table for an embedding", lambda to: csv(to, TABLE, "embedding"), ("A table has no targets for the task", "it holds classes, labels or values")),
    ("scale that is a text", lambda to: csv(to, TABLE, scale="no"), ("load_tab_data() was given scale='no';", "True or False is expected")),
    ("classes of another number than the table's", lambda to: csv(to, TABLE, classes=["x", "y", "z"]), ("3 class names were given (x, y, z);", "the data has 2 classes")),
    ("an NPZ that is missing", lambda to: nn().load_npz_data(to / "none.npz"), ("does not exist", "it is looked up from")),
    ("an NPZ without label", lambda to: npz(to, data=ROWS), ("lacks the array 'label';", "it has data")),
    ("an NPZ without data", lambda to: npz(to, x=ROWS, label=KINDS), ("lacks the array 'data';", "it has x, label")),
    ("an NPZ of other lengths", lambda to: npz(to, data=ROWS, label=KINDS[:3]), ("There are 24 inputs, but 3 labels;", "one for each is expected")),
    ("an NPZ of pickled objects", lambda to: npz(to, data=ROWS, label=KINDS, word2idx=np.array({"a": 0}, object)), ("holds pickled Python objects, which could run", "a dictionary as text:")),
    ("an NPZ that is a text", lambda to: nn().load_npz_data(table(to, "hello", "d.npz")), ("cannot be read as an NPZ file: it is none", "Save it with np.savez(file, data=x, label=y)")),
    ("an NPZ of labels with fractions", lambda to: npz(to, data=ROWS, label=AMOUNTS), ("The label 0.7206412846129421 is not a whole", "For values use nn('reg')")),
    ("an NPY in place of an NPZ", lambda to: nn().load_npz_data(npy(to)), ("lacks the array 'label';", "it has data")),
    ("a folder that is missing", lambda to: nn().load_img_data(to / "none"), ("does not exist or is not a folder", "it is looked up from")),
    ("a file for a folder", lambda to: nn().load_img_data(table(to, "x")), ("does not exist or is not a folder", "it is looked up from")),
    ("an empty folder", empty_folder, ("holds no pictures in class folders;", "one sub-folder a class is expected, such as")),
    ("empty class folders", empty_classes, ("holds no pictures in class folders;", "one sub-folder a class is expected, such as")),
    ("pictures without class folders", flat_folder, ("holds no pictures in class folders;", "one sub-folder a class is expected, such as")),
    ("a picture that is none", corrupt, ("cannot be read as a picture: its content is", "if it is damaged, save it again or remove it")),
    ("an empty picture", lambda to: corrupt(to, b""), ("cannot be read as a picture: its content is", "if it is damaged, save it again or remove it")),
    ("a picture that is cut", cut, ("cannot be read as a picture: image file is", "if it is damaged, save it again or remove it")),
    ("pictures of different sizes", lambda to: pictures(to, ((8, 8), (9, 8))), ("The pictures have 2 different sizes: 1 are 8", "Give one size to bring them to, such as")),
    ("a colour that does not exist", lambda to: pictures(to, color="rgb"), ("color='rgb' was given", "Did you mean 'RGB'?")),
    ("too few class names for the folders", lambda to: pictures(to, classes=["a"]), ("1 class names were given;", "has 2 class folders: class0, class1")),
    ("pictures for a regression", lambda to: nn("reg").load_img_data(drawn(to)), ("The data is for classification, the network", "Use nn('classification')")),
    ("a transform that does not exist", lambda to: pictures(to, transform={"Rezise": 4}), ("There is no transform 'Rezise'", "Did you mean 'Resize'?")),
    ("a transform's argument that does not exist", lambda to: pictures(to, transform={"RandomRotation": {"angle": 3}}), ("RandomRotation: there is no argument 'angle'", "Known names: center")),
    ("a transform's argument of a wrong kind", lambda to: pictures(to, transform={"RandomRotation": "ten"}), ("RandomRotation: degrees='ten' was given;", "a number or a list of numbers is expected")),
    ("a probability of 2", lambda to: pictures(to, transform={"RandomHorizontalFlip": 2}), ("RandomHorizontalFlip cannot be made with p=2:", "point value in the interval [0.0, 1.0]")),
    ("a resize to zero", lambda to: pictures(to, transform={"Resize": [0, 4]}), ("Resize takes (height, width) or one whole", "[0, 4] was given")),
    ("a resize to three lengths", lambda to: pictures(to, transform={"Resize": [4, 4, 4]}), ("Resize takes (height, width) or one whole", "[4, 4, 4] was given")),
    ("a crop larger than the picture", lambda to: pictures(to, transform={"RandomCrop": 20}), ("RandomCrop cannot be applied to pictures of 3", "resize to more, or give padding")),
    ("a normalisation of other channels", lambda to: pictures(to, transform={"Normalize": {"mean": [0.5], "std": [0.5]}}), ("The image input's mean has 1 values;", "3 are expected, one for each channel of RGB")),
    ("a normalisation with deviation 0", lambda to: pictures(to, transform={"Normalize": {"mean": 0.5, "std": 0}}), ("Normalize: mean=0.5 was given;", "a list of numbers is expected")),
    ("a transform that is a number", lambda to: pictures(to, transform=3), ("The transform 3 is a int;", "What is not plain JSON could not be kept in")),
    ("a transform that is a text", lambda to: pictures(to, transform="Resize"), ("Resize: the argument size is missing;", "a whole number or a list of whole numbers is")),
    ("a transform that is a function", lambda to: pictures(to, transform=lambda x: x), ("The transform <function", "What is not plain JSON could not be kept in")),
    ("a resize after a crop", lambda to: pictures(to, transform=[{"CenterCrop": 4}, {"Resize": 8}]), ("Resize follows CenterCrop;", "Put Resize first, with a size that fits")),
    ("mixing twice", lambda to: pictures(to, transform={"MixUp": 0.2, "CutMix": 1.0}), ("MixUp and CutMix were both given;", "Put them in a RandomChoice")),
    ("mixing with a negative alpha", lambda to: pictures(to, transform={"MixUp": -1}), ("MixUp: alpha=-1", "a number above 0 is expected, such as 0.2")),
    ("noise of 2", lambda to: pictures(to, transform={"SaltAndPepperNoise": 2}), ("SaltAndPepperNoise cannot be made with", "a share from 0 to 1 is expected")),
    ("RandomChoice of nothing", lambda to: pictures(to, transform={"RandomChoice": []}), ("RandomChoice has no transforms inside", "Write {'RandomChoice': [...]}, or give")),
    ("negative workers", lambda to: pictures(to, num_workers=-1), ("num_workers=-1 was given;", "a whole number of at least 0 is expected")),
    ("workers that are a text", lambda to: pictures(to, num_workers="2"), ("num_workers='2' was given;", "a whole number of at least 0 is expected")),
    ("a source that is missing", lambda to: open_source(to / "none"), ("does not exist", "it is looked up from")),
    ("a source of an unknown kind", lambda to: open_source(table(to, "x", "data.xls")), ("is a .xls;", "a .csv, .tsv or .npz file or a folder is")),
    ("a data set for another task", lambda to: nn("reg").use(open_source(table(to, TABLE))), ("The data is for classification, the network", "Use nn('classification')")),
    ("a table without a path", lambda to: nn().load_tab_data(), ("load_tab_data() was called without data_path", "Give it: load_tab_data(data_path=...)")),
    ("a table by a number", lambda to: nn().load_tab_data(3), ("load_tab_data() was given data_path=3;", "a path is expected")),
    ("pictures of None", lambda to: nn().load_img_data(None), ("load_img_data() was given data_path=None;", "a path is expected")),
    ("an NPZ of None", lambda to: nn().load_npz_data(None), ("load_npz_data() was given data_path=None;", "a path is expected")),
    ("a label column twice", lambda to: csv(to, TABLE, label=["a","a"]), ("label=['a', 'a'] was given;", "the names of different columns")),
    ("a table with an open quote", lambda to: csv(to, 'a,b\n1,"x\n'), ("cannot be read as a CSV table: unexpected end", "Save it as CSV in UTF-8")),
    ("classes as a number", lambda to: csv(to, TABLE, classes=3), ("classes=3 was given;", "a list of names, or a dictionary of names and")),
    ("a number beyond any float", lambda to: csv(to, TABLE + "1e400,1,x\n"), ("row 5, column 'a': the cell is '1e400';", "Mend the cell, or remove the row or the column")),
    ("a number beyond float32", lambda to: csv(to, TABLE + "1e39,1,x\n", scale=False), ("The table holds 1e+39 in row 5, column 'a';", "Mend the value, or remove the row")),
    ("a resize to a fraction", lambda to: pictures(to, transform={"Resize": 3.5}), ("Resize takes (height, width) or one whole", "3.5 was given")),
    ("torchvision transforms with a function", lambda to: pictures(to, transform=composed()), ("The transform <function", "What is not plain JSON could not be kept in")),
    ("an unknown transform inside another", lambda to: pictures(to, transform={"RandomApply": {"transforms":[{"Flop":1}]}}), ("There is no transform 'Flop'", "Known names: AugMix")),
    ("ToTensor with an argument", lambda to: pictures(to, transform={"ToTensor": 3}), ("ToTensor takes no arguments;", "Write {'ToTensor': null}")),
    ("mixing with a text", lambda to: pictures(to, transform={"MixUp": "a"}), ("MixUp: alpha='a' was given;", "a number is expected")),
    ("a rotation by NaN", lambda to: pictures(to, transform={"RandomRotation": float("nan")}), ("RandomRotation: degrees=nan was given;", "a number or a list of numbers is expected")),
    ("a negative jitter", lambda to: pictures(to, transform={"ColorJitter": -1}), ("ColorJitter cannot be made with", "is a single number, it must be non negative")),
]
# fmt: on
