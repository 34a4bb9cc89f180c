"""Files for old releases of ONNX Runtime, opened and run by these releases themselves.

Each release is installed into a folder of its own, for the first interpreter at hand that it has a package for. It gets the
files that `--target onnxruntime==RELEASE` makes, runs them with onnxruntime and numpy alone, and what it computes
is compared with torch. With `--versions` it also opens a file of every version of the operator set and of the file format,
which is where the table in exporters/targets/runtimes.py comes from.

    python benchmarks/old_runtimes.py FOLDER                        # 1.13, 1.16 and the newest
    python benchmarks/old_runtimes.py FOLDER --all --versions --markdown docs/old-runtimes.md

Old packages need old interpreters: give them with --python PATH, as often as needed (3.8 and 3.11 have all since 1.5).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from torch import nn

from exporters import export
from exporters.targets import convert_versions, requested_versions
from exporters.targets.runtimes import ONNXRUNTIME_RELEASES
from runtime.atomic import atomic_write
from runtime.errors import ToolkitError

CHILD = Path(__file__).with_name("old_runtimes_child.py")
TOLERANCE = 1e-4


class Recurrent(nn.Module):
    """A two-way LSTM of two layers, of which the last step is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class SmallUNet(nn.Module):
    """One step down and up, with group normalisation, Mish and a bilinear enlargement."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.Mish())
        self.down = nn.Conv2d(8, 16, 3, padding=1, stride=2)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.head = nn.Conv2d(32, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.inside(x)
        deep = torch.relu(self.down(first))
        wide = nn.functional.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(torch.cat([first, self.up(deep), wide], 1))


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...], dict[str, Any]]]:
    """Name -> (network, shape of one input, settings of its export)."""
    from torchvision import models

    torch.manual_seed(0)
    lenet = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
    )  # fmt: skip
    vision = models.VisionTransformer(32, 8, 3, 4, 64, 128)
    nn.init.normal_(vision.heads.head.weight, std=0.1)  # torchvision begins with zeros, which would hide everything
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu", norm_first=True)
    pictures = (3, 64, 64)
    # what is lost to int8 is not the point here, and this machine may be slow at it
    int8 = {"precision": "int8", "max_drop": 100.0, "allow_slower": True}
    return {
        "LeNet": (lenet, (1, 28, 28), {}),
        "ResNet-18": (models.resnet18(), pictures, {}),
        "ResNet-18, int8": (models.resnet18(), pictures, int8),
        "MobileNetV2": (models.mobilenet_v2(), pictures, {}),
        "MobileNetV3": (models.mobilenet_v3_small(), pictures, {}),
        "EfficientNet-B0": (models.efficientnet_b0(), pictures, {}),
        "ConvNeXt": (models.convnext_tiny(), pictures, {}),
        "ViT": (vision, (3, 32, 32), {}),
        "Swin": (models.swin_t(), pictures, {}),
        "LSTM": (Recurrent(), (12, 8), {}),
        "Transformer": (nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), (9, 32), {}),
        "U-Net": (SmallUNet(), (1, 24, 24), {}),
        "LR-ASPP": (
            _Plain(models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)),
            pictures,
            {},
        ),
    }


class _Plain(nn.Module):
    """The one output of a segmentation network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)["out"]


def settle(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Statistics of batch normalisation that fit the weights; without them random networks return next to nothing."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(8, *shape))
    return network.eval()


def write_files(folder: Path, releases: list[str], only: list[str]) -> dict[str, dict[str, str]]:
    """Export every network, and bring the file to every release as `--target` does, beside inputs and torch's outputs.

    Returns:
        Network -> release -> why it was refused.
    """
    refused: dict[str, dict[str, str]] = {}
    for name, (network, shape, settings) in networks().items():
        if only and name not in only:
            continue
        refused[name] = {}
        whole, known = folder / f"{name}.onnx", folder / f"{name}.npz"
        if not known.exists():  # a run that was interrupted goes on where it was
            whole.parent.mkdir(parents=True, exist_ok=True)
            settle(network, shape)
            x = torch.randn(8, *shape)
            export(network, whole, example=x, **settings)
            with torch.no_grad():
                np.savez(known, x=x[:3].numpy(), y=network(x[:3]).numpy())
        for release in releases:
            path = folder / release / f"{name}.onnx"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(whole, path)
            try:
                print(
                    f"{name} for {release}: {convert_versions(path, requested_versions(f'onnxruntime=={release}'))}",
                    flush=True,
                )
            except ToolkitError as error:
                path.unlink()
                refused[name][release] = str(error)
                print(f"{name} for {release}: {error}", flush=True)
    return refused


def install(folder: Path, release: str, pythons: list[str]) -> list[str] | None:
    """Install a release; return the command that runs a script with it, or None where no interpreter has a package."""
    for python in pythons:
        place = folder / "installed" / release / Path(python).parent.parent.name
        command = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
            str(place),
            "--only-binary",
            ":all:",
        ]
        if not place.exists():
            # one without its own requirements, which the runtime itself does not need
            wanted = subprocess.run(
                [*command, "--no-deps", f"onnxruntime=={release}.*"], capture_output=True, check=False
            )
            numpy = "numpy<2" if int(release.split(".")[1]) < 19 else "numpy"
            done = (
                wanted.returncode == 0
                and subprocess.run([*command, numpy], capture_output=True, check=False).returncode == 0
            )
            if not done:
                shutil.rmtree(place, ignore_errors=True)
                continue
        return ["env", f"PYTHONPATH={place}", python, str(CHILD)]
    return None


def probes(folder: Path) -> None:
    """One-node files of every version of the operator set and of the file format."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, versions in (("opset", range(7, 31)), ("ir", range(3, 16))):
        for version in versions:
            values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2]) for name in "xy"]
            graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", values[:1], values[1:])
            opset, ir_version = (version, 3) if kind == "opset" else (7, version)
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
            (folder / f"{kind}-{version}.onnx").write_bytes(model.SerializeToString())


def markdown(results: dict[str, Any], releases: list[str]) -> str:
    """The table, as it stands in the documentation: a release a row, a network a column, reasons below."""
    names = sorted({name for release in releases for name in results[release].get("files", {})}, key=str.lower)
    reasons: list[str] = []
    rows = []
    for release in releases:
        result = results[release]
        files = result.get("files", {})
        cells = [_cell(files[name], reasons) if name in files else "" for name in names]
        rows.append(
            [
                result.get("version", f"{release}: no package"),
                str(result.get("opset", "")),
                str(result.get("ir", "")),
                *cells,
            ]
        )
    header = ["release", "newest opset it opens", "newest IR it opens", *names]
    table = ["| " + " | ".join(row) + " |" for row in (header, ["---", *["---:"] * (len(header) - 1)], *rows)]
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([_ABOUT, *table, "", *notes, ""])


_ABOUT = """# Old releases of ONNX Runtime

The same networks as `--target onnxruntime==RELEASE` writes them, opened and run by that release itself: worst difference from
torch. Weights are random, statistics of batch normalisation fitted to them; int8 differs by what eight bits lose.
`benchmarks/old_runtimes.py` installs the releases and makes this table.
"""


def _cell(found: dict[str, Any], reasons: list[str]) -> str:
    if "worst" in found:
        return f"{found['worst']:.0e}"
    reason = found["error"][:240].replace("|", "/")
    if reason not in reasons:
        reasons.append(reason)
    return f"refused ({reasons.index(reason) + 1})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the files and the installed releases")
    parser.add_argument("--releases", default="1.13,1.16,newest", help="comma-separated")
    parser.add_argument("--all", action="store_true", help="every release that is known")
    parser.add_argument("--only", default="", help="networks, comma-separated")
    parser.add_argument("--python", action="append", default=[], help="an interpreter to install into; may be repeated")
    parser.add_argument("--versions", action="store_true", help="also find the newest versions that each release opens")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    asked = parser.parse_args()
    known = [f"{major}.{minor}" for major, minor in ONNXRUNTIME_RELEASES]
    releases = known if asked.all else [known[-1] if name == "newest" else name for name in asked.releases.split(",")]
    pythons = asked.python or [sys.executable]
    files = asked.folder / "files"
    refused = write_files(files, releases, [name for name in asked.only.split(",") if name])
    if asked.versions:
        probes(asked.folder / "probes")
    results: dict[str, Any] = {}
    for release in releases:
        command = install(asked.folder, release, pythons)
        if command is None:
            results[release] = {}
            print(f"{release}: no package for {', '.join(pythons)}")
            continue
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        arguments = [str(files), release, *([str(asked.folder / "probes")] if asked.versions else [])]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            results[release] = {}
            print(f"{release}: {done.stderr.strip()[-300:]}")
            continue
        results[release] = json.loads(done.stdout.splitlines()[-1])
        for name, reasons in refused.items():
            if release in reasons:
                results[release]["files"][name] = {"error": reasons[release]}
    atomic_write(asked.folder / "results.json", json.dumps(results, indent=1))
    text = markdown(results, releases)
    print(text)
    if asked.markdown is not None:
        atomic_write(asked.markdown, text)
    cells = [found for result in results.values() for found in result.get("files", {}).values()]
    return 0 if cells and all(found.get("worst", 1.0) <= found.get("allowed", TOLERANCE) for found in cells) else 1


if __name__ == "__main__":
    sys.exit(main())
