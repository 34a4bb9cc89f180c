"""ORT format: ONNX Runtime's own, which its minimal builds (phones, microprocessors) read without an ONNX parser.

Made by onnxruntime's converter (`onnxruntime.tools.convert_onnx_models_to_ort`) with its defaults: the graph is optimised
as far as it stays fit for every processor.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from exporters.isolation.quiet import quiet
from exporters.onnx_files.external_data import SIZE_LIMIT_BYTES, model_bytes
from exporters.report import Report
from exporters.settings import STRICT, Tolerance
from exporters.verifying.verify import References, compare
from runtime.atomic import atomic_path
from runtime.console import bytes_text
from runtime.errors import CheckFailed, SpecError
from runtime.session import Session

__all__ = ["write_ort"]


def write_ort(report: Report, references: References, tolerance: Tolerance = STRICT) -> Path:
    """Write `model.ort` beside `model.onnx` and verify it against torch as the ONNX file was.

    Args:
        report: of the export.
        references: torch's outputs on every probe.
        tolerance: the ONNX file's allowed difference.

    Returns:
        The file, which keeps the card.

    Raises:
        CheckFailed: the converter fails, the card is lost, or the outputs differ from torch's. No file is left then.
        SpecError: the model is too large for the format.
    """
    source, target = report.path, report.path.with_suffix(".ort")
    if model_bytes(source) > SIZE_LIMIT_BYTES:
        raise SpecError(
            f"{source} takes {bytes_text(model_bytes(source))}; the ORT format holds up to {bytes_text(SIZE_LIMIT_BYTES)}. "
            f"Leave --ort out, or export with --precision fp16 or int8."
        )
    with atomic_path(target) as temporary:
        _convert(source, temporary)
        if Session(temporary, "cpu").card != Session(source, "cpu").card:
            raise CheckFailed(f"The card was lost on the way from {source} to the ORT format. Leave --ort out.")
        try:
            compare(references, temporary, tolerance)
        except CheckFailed as error:
            raise CheckFailed(f"{target} was not written: the ORT format computes something else. {error}") from error
    return target


def _convert(source: Path, target: Path) -> None:
    """Run the converter, which prints and logs, in a folder of its own."""
    from onnxruntime.tools import convert_onnx_models_to_ort as converter

    with tempfile.TemporaryDirectory(prefix=".ort-", dir=target.parent) as folder:
        copy = Path(folder) / "model.onnx"  # the converter goes by the name's end
        shutil.copyfile(source, copy)
        try:
            with quiet():
                converter.convert_onnx_models_to_ort(
                    copy, output_dir=Path(folder) / "out", optimization_styles=[converter.OptimizationStyle.Fixed]
                )
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise CheckFailed(
                f"onnxruntime could not write {source} in its own format: {reason}. Leave --ort out."
            ) from error
        made = sorted((Path(folder) / "out").glob("*.ort"))
        if len(made) != 1:
            raise CheckFailed(f"onnxruntime's converter wrote {len(made)} files instead of one. Leave --ort out.")
        made[0].replace(target)
