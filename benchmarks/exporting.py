"""How long an export takes, beside torch.onnx.export, onnxsim and one verification run by hand."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from interleaved import Result, interleave

from exporters import export

NETWORKS = ("resnet18", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "vit_b_16")


def run(name: str, rounds: int = 3, size: int = 224) -> Result:
    """Seconds of one whole export of a torchvision network with random weights, in turns."""
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.get_model(name, weights=None).eval()
    example = torch.randn(2, 3, size, size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        return interleave(
            {
                "toolkit": lambda: export(module, path, example=example, task="classification", outputs=("logits",)),
                "torch.onnx.export + onnxsim + one run": lambda: _by_hand(module, path, example),
            },
            rounds,
        )


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
        result = run(network)
        seconds = ", ".join(f"{name} {value:.1f} s" for name, value in result.seconds.items())
        ratio = 1 / result.ratios["torch.onnx.export + onnxsim + one run"]
        print(f"{network}: {seconds}; {ratio:.2f} of the time by hand")
