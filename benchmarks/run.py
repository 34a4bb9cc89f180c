"""Run the benchmarks and print their ratios as one table."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import help
import overhead
import predict
import startup
import train
from interleaved import Result

from runtime.console import seconds_text, table


def rows_of(name: str, result: Result, aims: dict[str, str]) -> list[tuple[str, ...]]:
    """One row a baseline: how many times faster the first function is than it."""
    first, *others = result.seconds
    return [
        (
            name,
            other,
            seconds_text(result.seconds[first]),
            seconds_text(result.seconds[other]),
            f"{result.ratios[other]:.2f}",
            aims.get(other, ""),
        )
        for other in others
    ]


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="train|predict|overhead|startup|help", help="default: all")
    parser.add_argument("--data", type=Path, default=None, help="folder with MNIST's idx files, for train")
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run, not how fast")
    arguments = parser.parse_args()
    names = arguments.names or ["train", "predict", "overhead", "startup", "help"]
    quick = arguments.quick
    rows: list[tuple[str, ...]] = []
    if "train" in names:
        aims = {"in-memory loop by hand": "≥ 0.97", "DataLoader loop, item by item": "≥ 5 (LeNet)"}
        lenet = train.run(arguments.data, "lenet", 640 if quick else 60_000, 1 if quick else 5)
        rows += rows_of("train LeNet", lenet, aims)
        resnet = train.run(arguments.data, "resnet18", 128 if quick else 1_280, 1 if quick else 3)
        rows += rows_of("train ResNet-18", resnet, {"in-memory loop by hand": "≥ 0.97"})
    if "predict" in names:
        result = predict.run(16 if quick else 128, 1 if quick else 9)
        rows += rows_of("predict", result, {"onnxruntime + Pillow by hand": "≥ 1.0"})
    if "startup" in names:
        result = startup.run(1 if quick else 15)
        # here the aim is stated the other way round: our time over the script's
        rows += [
            (*row[:4], f"{1 / float(result.ratios['script by hand']):.2f} of its time", "≤ 1.3")
            for row in rows_of("startup", result, {})
        ]
    if "overhead" in names:
        seconds = overhead.run(200 if quick else 2000, 3 if quick else 21)
        rows.append(
            (
                "overhead",
                "InferenceSession.run",
                seconds_text(seconds["toolkit"]),
                seconds_text(seconds["session"]),
                f"{seconds['overhead'] * 1e6:.1f} µs more",
                "≤ 20 µs",
            )
        )
    if "help" in names:
        result = help.run(1 if quick else 40)
        empty, *asked = result.seconds
        rows += [
            (
                name,
                f"{empty}, processor time",
                seconds_text(result.seconds[name]),
                seconds_text(result.seconds[empty]),
                f"{result.ratios[name]:.2f} of its time",
                "≤ 1.15",
            )
            for name in asked
        ]
    print(table(("benchmark", "baseline", "toolkit", "baseline's time", "times as fast", "aim"), rows, right=(2, 3)))
    print(f"{platform.machine()}, Python {platform.python_version()}; medians of interleaved rounds")


if __name__ == "__main__":
    main()
