"""How long an export takes, beside torch.onnx.export, onnxsim and one verification run by hand."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from interleaved import Result, interleave

from exporters import export

TORCHVISION = ("resnet18", "mobilenet_v3_small", "vit_b_16", "efficientnet_b0", "convnext_tiny")
BY_HAND = "torch.onnx.export + onnxsim + one run"


class _LastStep(torch.nn.Module):
    """(B, T) words -> (B, 10), from the last step of an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(1000, 64)
        self.layers = torch.nn.LSTM(64, 128, num_layers=2, batch_first=True)
        self.head = torch.nn.Linear(128, 10)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Run."""
        return self.head(self.layers(self.words(words))[0][:, -1])


def _mlp() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.ReLU(), torch.nn.Linear(32, 3))


def _encoder() -> torch.nn.Module:
    layer = torch.nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    layers = torch.nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    return torch.nn.Sequential(torch.nn.Embedding(1000, 64), layers, torch.nn.Flatten(), torch.nn.Linear(20 * 64, 10))


def _pixels() -> torch.nn.Module:
    from model_zoo.networks.unet import UNet

    return UNet(3, 5, depth=2, width=16)


_PICTURES, _WORDS = torch.randn(2, 3, 64, 64), torch.arange(40).reshape(2, 20)
# Name -> (makes the network, an example of two rows).
SMALL: dict[str, tuple[Callable[[], torch.nn.Module], torch.Tensor]] = {
    "MLP": (_mlp, torch.randn(2, 4)),
    "LSTM": (_LastStep, _WORDS),
    "transformer encoder": (_encoder, _WORDS),
    "U-Net": (_pixels, _PICTURES),
}
NETWORKS = (*SMALL, *TORCHVISION)


def run(name: str, rounds: int = 3, size: int = 224, clock: Callable[[], float] = time.perf_counter) -> Result:
    """Seconds of one whole export of a network with random weights, in turns."""
    torch.manual_seed(0)
    if name in SMALL:
        make, example = SMALL[name]
        module = make().eval()
    else:
        import torchvision

        module, example = torchvision.models.get_model(name, weights=None).eval(), torch.randn(2, 3, size, size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        return interleave(
            {
                "toolkit": lambda: export(module, path, example=example, dynamic=("batch",)),
                BY_HAND: lambda: _by_hand(module, path, example),
            },
            rounds,
            clock=clock,
        )


def processor_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def _by_hand(module: torch.nn.Module, path: Path, example: torch.Tensor) -> None:
    import onnx
    import onnxruntime
    import onnxsim

    quiet = io.StringIO()
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            str(path),
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            dynamo=True,
            optimize=True,
            external_data=False,
            verbose=False,
        )
    logging.disable(logging.NOTSET)
    simplified, agrees = onnxsim.simplify(onnx.load(path))
    assert agrees
    onnx.save(simplified, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = module(example).numpy()
    (found,) = session.run(None, {"input": example.numpy()})
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


if __name__ == "__main__":
    for network in NETWORKS:
        result = run(network, clock=processor_seconds)
        seconds = ", ".join(f"{name} {value:.1f} s" for name, value in result.seconds.items())
        print(
            f"{network}: {seconds} of processor time; {1 / result.ratios[BY_HAND]:.2f} of the time by hand", flush=True
        )
