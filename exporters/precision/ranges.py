"""Calibration: the range of every tensor in a file, found by running it on real inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from exporters.isolation.quiet import quiet
from exporters.precision.rows import Feeds, feed_batches
from runtime.session import Session

__all__ = ["Method", "find_ranges", "tensor_ranges"]

Method = Literal["minmax", "entropy", "percentile"]

_BATCH = 8
# By method: what onnxruntime's calibrators take. Entropy compares the histogram with what 128 levels make of it at every
# width, so more bins than levels are needed, and time grows with their square. 99.999 % of the numbers lie within the
# percentile's range; both ends are found by themselves, for activations are seldom symmetric.
_OPTIONS: Mapping[Method, Mapping[str, Any]] = {
    "minmax": {"max_intermediate_outputs": None},
    "entropy": {"num_bins": 512, "num_quantized_bins": 128},
    "percentile": {"num_bins": 2048, "percentile": 99.999, "symmetric": False},
}


def find_ranges(path: Path, feeds: Feeds, method: Method, cache: Path) -> Path:
    """Run the file on the rows of `feeds`, and write the range of every float tensor to `cache`, a JSON file of onnxruntime.

    minmax takes the least and the greatest number; percentile leaves out the outermost hundred-thousandth; entropy takes
    the range whose 128 levels lose least (Migacz, 8-bit inference with TensorRT, GTC 2017).
    """
    from onnxruntime.quantization import save_tensors_data

    save_tensors_data(_calibrated(path, feeds, method, cache), cache)
    return cache


def tensor_ranges(path: Path, feeds: Feeds) -> dict[str, tuple[float, float]]:
    """Ranges of float tensors: name -> (minimum, maximum) over the rows of `feeds`."""
    data = _calibrated(path, feeds, "minmax", path.with_suffix(".ranges"))
    found = {}
    for name, entry in data.items():
        least, most = entry.range_value
        found[name] = (float(np.min(least)), float(np.max(most)))
    return found


def _calibrated(path: Path, feeds: Feeds, method: Method, beside: Path) -> Any:
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    session = Session(path, "cpu")
    fixed = session.fixed_batch
    augmented = beside.with_suffix(".augmented.onnx")
    try:
        with quiet():
            calibrator = create_calibrator(
                path,
                augmented_model_path=str(augmented),
                calibrate_method=methods[method],
                extra_options=dict(_OPTIONS[method]),
            )
            # one batch at a time: a calibrator keeps all that it is given until it has a range of it
            for batch in feed_batches(feeds, fixed or _BATCH, full=fixed is not None):
                calibrator.collect_data(_reader(session.batch.as_in_file(batch)))
            return calibrator.compute_data()
    finally:
        augmented.unlink(missing_ok=True)


def _reader(batch: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """Calibration reader of onnxruntime for one batch."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self._batches: Iterator[dict[str, Any]] = iter([dict(batch)])

        def get_next(self) -> dict[str, Any] | None:
            return next(self._batches, None)

    return Reader()
