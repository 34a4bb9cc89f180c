"""Search over precisions: make the candidates and measure the quality of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from exporters.onnx_files.external_data import model_bytes
from exporters.precision.blocks import Block
from exporters.precision.candidates import Candidate, Comparison
from exporters.precision.data import RealData
from exporters.precision.half import write_half
from exporters.precision.quality import measured_outputs, quality
from exporters.precision.quantise import write_dynamic, write_static
from exporters.precision.ranges import Method, find_ranges
from exporters.precision.rows import run_rows
from exporters.precision.sensitive import rank_blocks
from runtime.card import ModelCard
from runtime.session import Session

__all__ = ["Search"]


class Search:
    """Candidate search for one float32 file, in a folder of its own.

    Args:
        path: the float32 file.
        folder: where the candidates are written.
        card: of the network.
        data: calibration and evaluation data.
        comparison: receives the candidates; holds the float32 file already.
        say: callback for progress messages.
    """

    def __init__(
        self,
        path: Path,
        folder: Path,
        card: ModelCard,
        data: RealData,
        comparison: Comparison,
        say: Callable[[str], None],
    ) -> None:
        self.path, self.folder, self.card, self.data, self.comparison, self.say = (
            path,
            folder,
            card,
            data,
            comparison,
            say,
        )
        self._outputs = measured_outputs(card)
        self._reference: dict[str, np.ndarray[Any, Any]] = {}
        self._judge(comparison.base)

    def half(self) -> Candidate:
        """Try float16."""
        self.say("precision: fp16")
        scaled = "target_scaling" in self.card.training
        return self._try("fp16", lambda output: write_half(self.path, output, self.data.calibration, ending=scaled))

    def dynamic(self) -> Candidate:
        """Try dynamic quantisation: 8-bit weights, activations quantised at every run."""
        self.say("precision: int8-dynamic")
        return self._try("int8-dynamic", lambda output: write_dynamic(self.path, output))

    def static(self, method: Method, name: str = "int8") -> Candidate:
        """Try static quantisation; where it loses too much, with the most sensitive layers in float.

        Layers are left in float one, two, four, ... at a time, the most sensitive first, up to half of all.
        """
        self.say(f"precision: {name}, ranges by {method}")
        ranges = self.folder / f"{method}.json"

        def write(output: Path) -> str:
            find_ranges(self.path, self.data.calibration, method, ranges)
            write_static(self.path, output, ranges)
            return f"ranges by {method}"

        found = self._try(name, write)
        if found.path is None or not self.comparison.worse(found):
            return found
        ranked = rank_blocks(self.path, ranges, self.data.calibration, self.card, self._outputs, self.say)
        count = 1
        while 2 * count <= len(ranked):
            found = self._with_floats(name, method, ranges, [block for _, group in ranked[:count] for block in group])
            if found.path is None or not self.comparison.worse(found):
                break
            count *= 2
        return found

    def _with_floats(self, name: str, method: str, ranges: Path, blocks: list[Block]) -> Candidate:
        self.say(f"precision: {name} with {len(blocks)} layers in float")
        names = ", ".join(block.name for block in blocks[:3]) + (", ..." if len(blocks) > 3 else "")

        def write(output: Path) -> str:
            kept = {node for block in blocks for node in block.nodes}
            write_static(self.path, output, ranges, keep_float=kept)
            return f"ranges by {method}; {len(blocks)} layers in float, those that 8 bits hurt most ({names})"

        return self._try(f"{name}, {len(blocks)} in float", write, tuple(block.name for block in blocks))

    def _try(self, name: str, write: Callable[[Path], str], floats: tuple[str, ...] = ()) -> Candidate:
        """Write a candidate and measure its quality; where it cannot be made or run, `problem` says why."""
        path = self.folder / f"{name.replace(', ', '-').replace(' ', '-')}.onnx"
        candidate = Candidate(name, path, floats=floats)
        try:
            candidate.how = write(path)
            self._judge(candidate)
        except Exception as error:  # the tools raise whatever comes to them
            reason = " ".join(str(error).split()) or type(error).__name__
            candidate.path, candidate.problem = None, f"could not be made: {reason[:160]}"
        self.comparison.candidates.append(candidate)
        return candidate

    def _judge(self, candidate: Candidate) -> None:
        assert candidate.path is not None
        candidate.bytes = model_bytes(candidate.path)
        found = run_rows(Session(candidate.path, "cpu"), self.data.evaluation, self._outputs)
        self._reference = self._reference or found
        candidate.quality = quality(self.card, self._reference, found, self.data.targets)
