"""Lower precisions of trained classifiers: accuracy on the test pictures of MNIST, latency and size beside float32.

    python benchmarks/precision.py --data MNIST --work FOLDER                   # ResNet-18 and MobileNetV2 at 64 x 64
    python benchmarks/precision.py --data MNIST --work FOLDER --networks all    # one classifier of each family
    python benchmarks/precision.py --data MNIST --work FOLDER --precision auto

Networks are trained with `toolkit train` on the first pictures of the training part, unless FOLDER holds them already. Each
is exported in the precision asked for; the table has a line for each, and a refusal comes with the table that decided it.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from exporters import export
from runtime.console import table
from runtime.errors import CheckFailed, InputError
from toolkit.data.readers.idx import find_idx, read_idx

NETWORKS = ("resnet18", "mobilenet_v2")
FAMILIES = (
    *NETWORKS,
    "lenet",
    "mlp",
    "alexnet",
    "squeezenet1_1",
    "mobilenet_v3_small",
    "mnasnet0_5",
    "shufflenet_v2_x0_5",
    "efficientnet_b0",
    "regnet_y_400mf",
    "densenet121",
    "googlenet",
    "convnext_tiny",
    "swin_t",
)
HEADER = ("network", "precision", "accuracy fp32", "accuracy", "drop", "size", "latency", "float layers")


def first_pictures(data: Path, folder: Path, count: int) -> Path:
    """A folder with the first `count` training pictures of MNIST, and all its test pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        found = find_idx(data, part)
        if found is None:
            raise InputError(f"{data} holds no {part} part of MNIST. Name the folder with its four idx files.")
        for path in found:
            target = folder / path.with_suffix("").name if path.suffix == ".gz" else folder / path.name
            target = target.with_name(target.name + ".gz")
            if target.exists():
                continue
            if part == "test" and path.suffix == ".gz":
                shutil.copyfile(path, target)
                continue
            values = read_idx(path)[:count] if part == "train" else read_idx(path)
            head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
            target.write_bytes(gzip.compress(head + values.tobytes()))
    return folder


def trained(name: str, data: Path, folder: Path, size: int, epochs: int) -> Path:
    """The checkpoint of a network, trained where it is not there yet."""
    if not (folder / "curves.png").is_file():
        options = ["--model", name, "--data", str(data), "--color", "grayscale", "--size", str(size), str(size)]
        command = [sys.executable, "-m", "cli", "train", *options, "--epochs", str(epochs), "-o", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "best.pth"


def row(name: str, checkpoint: Path, precision: Any) -> tuple[str, ...]:
    """Export one network, and what the table says of it."""
    target = checkpoint.with_name(f"{precision}.onnx")
    try:
        facts = export(checkpoint, target, precision=precision).facts["precision"]
    except CheckFailed as error:
        print(f"\n{name}: {error}\n", file=sys.stderr, flush=True)
        return (name, precision, "", "", "", "", "", "refused")
    print(f"\n{name}\n{facts['table']}", file=sys.stderr, flush=True)
    by_name = {entry["name"]: entry for entry in facts["candidates"]}
    base, chosen = by_name["fp32"], by_name[facts["chosen"]]
    return (
        name,
        chosen["name"],
        f"{base['right']:.2f}",
        f"{chosen['right']:.2f}",
        f"{chosen['drop']:.2f}",
        f"{chosen['bytes'] / base['bytes']:.2f}",
        f"{chosen['latency_ratio']:.2f}",
        str(len(chosen["float_layers"])),
    )


def main() -> None:
    """Parse the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the idx files of MNIST")
    parser.add_argument("--work", type=Path, default=Path("runs/precision"), help="where checkpoints and files go")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), help="names, or all for one of each family")
    parser.add_argument("--precision", default="int8", choices=("fp16", "int8", "int8-dynamic", "auto"))
    parser.add_argument("--pictures", type=int, default=16_000, help="training pictures")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=64, help="side of a picture")
    given = parser.parse_args()
    data = first_pictures(given.data, given.work / "mnist", given.pictures)
    rows = []
    for name in FAMILIES if given.networks == ["all"] else given.networks:
        checkpoint = trained(name, data, given.work / name, given.size, given.epochs)
        rows.append(row(name, checkpoint, given.precision))
    print(table(HEADER, rows, right=(2, 3, 4, 5, 6, 7)))


if __name__ == "__main__":
    main()
