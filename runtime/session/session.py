"""Session: open an ONNX file, check its inputs, run it."""

from __future__ import annotations

import contextlib
import functools
import glob
import io
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import CARD_KEY, ModelCard
from runtime.errors import CardError, DeviceError, InputError, ModelFileError, suggest
from runtime.interruption import stop_on_interrupt
from runtime.processors import usable_cores
from runtime.regular_file import require_file
from runtime.session.batch_axis import BatchAxis, find_batch
from runtime.session.card_check import card_contradictions
from runtime.session.external_data import check_external_data
from runtime.session.feeding import fit, lengths_of
from runtime.session.model_file import opened_content
from runtime.session.providers import Device, DeviceWarning, Unavailable, onnxruntime, plan
from runtime.session.structure import check_structure
from runtime.session.tensor import DTYPES, UNNAMED, Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Session"]

_OPTIONAL = "optional("  # begins onnxruntime's type of an input that may be left out

_MOST_THREADS = 1024  # each takes memory of its own, whether it has work or not

_CONSTANT_BYTES = 2**24

# Operators in which onnxruntime ends the process when it is given nothing.
_ABORTING = (b"LSTM", b"GRU", b"DynamicQuantizeLSTM")

_IN_MEMORY = Path("<bytes>")  # stands for the path of a model that was given as bytes


class Session:
    """One ONNX file, opened on one device.

    Args:
        path: the file; or its content, as bytes.
        device: "auto" (CUDA where it works, else the CPU), "cpu", "cuda", "cuda:N", "tensorrt".
        require_device: raise DeviceError when another device than `device` would run.
        threads: threads inside one operator; None leaves it to onnxruntime where the process may use the whole machine, and else
            takes as many as it may use (`runtime.processors`).
        optimize: let onnxruntime rewrite the graph and compute its constants. Without, a file is opened faster and runs slower;
            for inspecting untrusted files, whose constants may be too large to compute.
        trust_card: open a file also where its card says something else than its graph; for telling of such a file.

    Raises:
        ModelFileError: the file is missing, is not a model that onnxruntime opens, or its weights in a second file are not
            those that it was written with.
        DeviceError: `device` is unknown, or required and unavailable.
        CardError: the file's card is malformed, or says something else than the graph.

    Attributes:
        path: of the file; `Path("<bytes>")` of one that was given as bytes.
        inputs: those that every run must be given.
        optional_inputs: those that may be left out: of an optional type, or initializers that the file lists among its inputs.
        outputs: of the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | bytes | bytearray | memoryview,
        device: str = "auto",
        *,
        require_device: bool = False,
        threads: int | None = None,
        optimize: bool = True,
        trust_card: bool = False,
    ) -> None:
        self._content = bytes(path) if isinstance(path, bytes | bytearray | memoryview) else None
        self.path = _IN_MEMORY if isinstance(path, bytes | bytearray | memoryview) else Path(path)
        self.threads = threads
        module = onnxruntime()
        providers, self.device = plan(device)
        self._check_device(require_device)
        self._session = _open(module, self.path, self._content, providers, threads, optimize)
        self.device = self._device_that_runs()
        self._check_device(require_device)
        if not self.device.as_asked:
            warnings.warn(self.device.explain(), DeviceWarning, stacklevel=3)

        try:
            nodes = self._session.get_inputs()
            self.inputs = tuple(_tensor(node) for node in nodes if not node.type.startswith(_OPTIONAL))
            more = [node for node in nodes if node.type.startswith(_OPTIONAL)]
            self.optional_inputs = tuple(map(_tensor, [*more, *self._session.get_overridable_initializers()]))
            self.outputs = tuple(_tensor(node) for node in self._session.get_outputs())
            self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        except UnicodeDecodeError as error:
            raise ModelFileError(
                f"{self.path} is damaged: a text in it is not UTF-8. {_fetch_again(self.path)}"
            ) from error
        check_external_data(self.path, self.metadata)
        text = self.metadata.get(CARD_KEY)
        self.card: ModelCard | None = None if text is None else ModelCard.from_json(text)
        if self.card is not None and not trust_card:
            self._check_card(self.card)

        self._expected = [
            (
                tensor.name,
                # "V" is no array's dtype: what is not taken as it is goes through `fit`
                np.dtype(tensor.dtype if tensor.is_array and tensor.dtype != "object" else "V"),
                len(tensor.shape),
                [(axis, length) for axis, length in enumerate(tensor.shape) if isinstance(length, int)],
            )
            for tensor in self.inputs
        ]
        self._all_outputs = [tensor.name for tensor in self.outputs]
        self._run_options = module.RunOptions()
        # Without this option onnxruntime computes every output, asked for or not.
        self._run_options.only_execute_path_to_fetches = True
        stop_on_interrupt(self._run_options)

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Run the file on arrays.

        Args:
            inputs: input name -> array of that input's dtype and shape, or what `runtime.session.feeding.fit` makes one of: a list,
                a number, texts; a list of arrays for a sequence. Optional inputs may be left out, or be None.
            outputs: the names to compute; None for all. Only what they need is computed.

        Returns:
            output name -> array; a list of arrays for a sequence.

        Raises:
            InputError: a name is missing or unknown, a dtype, rank or fixed length does not fit, or an axis has no length and the
                file has a recurrent layer.
        """
        feeds: Mapping[str, Any] = inputs
        if not isinstance(inputs, Mapping) or len(inputs) != len(self._expected):
            feeds = self._with_optional(inputs)
        for name, dtype, rank, fixed in self._expected:
            array = feeds.get(name)
            if array is None:
                raise self._names_differ(inputs)
            # onnxruntime tells a rank of 0 also of an input whose rank the file leaves open
            if not isinstance(array, np.ndarray) or array.dtype != dtype or (rank and array.ndim != rank):
                feeds = {**feeds, name: self._fit(name, array)}
                continue
            shape = array.shape
            if 0 in shape:
                self._check_empty(name, shape)
            for axis, length in fixed:
                if shape[axis] != length:
                    self._fit(name, array)  # says what is expected
        try:
            if outputs is None:
                names = self._all_outputs
                values = self._session.run(names, feeds, self._run_options)
            else:
                names = list(outputs)
                # onnxruntime takes an empty list for all outputs
                values = self._session.run(names, feeds, self._run_options) if names else []
        except Exception as error:
            unknown = [name for name in names if name not in self._all_outputs]
            if unknown:
                raise InputError(
                    f"{self.path} has no output {unknown[0]!r}.{suggest(str(unknown[0]), self._all_outputs)}"
                ) from error
            raise ModelFileError(f"{self.path} failed while running: {_reason(error)}.") from error
        return dict(zip(names, values, strict=True))

    @functools.cached_property
    def single_threaded(self) -> Session:
        """Session of the same file with one thread, for parallel workers; itself where that would not help."""
        if self.device.name != "cpu" or self.threads is not None:
            return self
        return Session(self.path if self._content is None else self._content, "cpu", threads=1)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        import hashlib

        with opened_content(self.path if self._content is None else self._content) as content:
            return hashlib.sha256(content).hexdigest()

    @functools.cached_property
    def _ends_on_empty_input(self) -> bool:
        """Whether onnxruntime aborts on an empty input: it does in an LSTM and a GRU, in branches and functions too."""
        with opened_content(self.path if self._content is None else self._content) as content:
            return any(content.find(mark) >= 0 for name in _ABORTING for mark in _marks(name))

    @functools.cached_property
    def batch(self) -> BatchAxis:
        """Where the file's rows lie; nowhere in a file whose export found no batch."""
        if self.card is not None and self.card.parity.get("batch_sizes") in ([], ()):
            return BatchAxis(None, {})
        return find_batch(self.inputs, self.outputs)

    @functools.cached_property
    def row_outputs(self) -> set[str]:
        """Outputs that are known to have one row an input: those that declare it, and those for which it was found out."""
        return {tensor.name for tensor in self.outputs if tensor.name in self.batch.axes and tensor.shape}

    @property
    def fixed_batch(self) -> int | None:
        """Rows that every run must have, or None when any number is allowed.

        Inputs with one row beside others with any number of them are run row by row.
        """
        if self.batch.name is None:
            return self.batch.fixed
        without = [tensor for tensor in self.inputs if tensor.name not in self.batch.axes]
        return 1 if without and all(tensor.shape[0] == 1 for tensor in without) else None

    def _check_card(self, card: ModelCard) -> None:
        wrong = card_contradictions(card, self.inputs, self.outputs)
        if wrong:
            raise CardError(
                f"The card of {self.path} and its graph contradict each other. {' '.join(wrong)} Export the model again, or "
                f"fetch it from where it was made."
            )

    def _device_that_runs(self) -> Device:
        first = self._session.get_providers()[0].removesuffix("ExecutionProvider").lower()
        kind, _, index = self.device.name.partition(":")
        if first == kind:
            return self.device
        name = "cpu" if first == "cpu" else f"{first}:{index}"
        obstacle = Unavailable(
            f"onnxruntime could not start its {kind} provider.", "Run `toolkit doctor` to see what is missing."
        )
        return Device(self.device.asked, name, obstacle)

    def _check_device(self, required: bool) -> None:
        if required and not self.device.as_asked:
            raise DeviceError(
                f"The device {self.device.asked!r} was required, but only {self.device.name} could run: {self.device.obstacle}"
            )

    def _with_optional(self, inputs: object) -> Mapping[str, Any]:
        """Inputs with those of the optional ones that are given. Raises InputError where other names are given."""
        optional = {tensor.name for tensor in self.optional_inputs}
        if not isinstance(inputs, Mapping) or set(inputs) - optional != {tensor.name for tensor in self.inputs}:
            raise self._names_differ(inputs)
        return {
            name: self._fit(name, value) if name in optional else value
            for name, value in inputs.items()
            if value is not None or name not in optional
        }

    def _fit(self, name: str, value: object) -> Any:
        tensor = next(tensor for tensor in (*self.inputs, *self.optional_inputs) if tensor.name == name)
        found = fit(tensor, value)
        for shape in lengths_of(found):
            if 0 in shape:
                self._check_empty(name, shape)
        return found

    def _check_empty(self, name: str, shape: tuple[int, ...]) -> None:
        if self._ends_on_empty_input:
            raise InputError(
                f"The input {name!r} of shape {shape} is empty, and {self.path} has a recurrent layer, on whose empty input "
                f"onnxruntime ends the whole process. Give at least one row, and one step."
            )

    def _names_differ(self, inputs: object) -> InputError:
        expected = [tensor.name for tensor in self.inputs]
        given = (
            f"The inputs {list(inputs)} were"
            if isinstance(inputs, Mapping)
            else f"The type {type(inputs).__name__} was"
        )
        optional = "; ".join(map(str, self.optional_inputs))
        return InputError(
            f"{given} given; {self.path} takes {'; '.join(map(str, self.inputs)) or 'no input'}. "
            f"Give a mapping with the keys {expected}{f', and as you like {optional}' if optional else ''}."
        )


def _marks(operator: bytes) -> tuple[bytes, bytes]:
    """An operator's name as it stands in an ONNX file (field 4 of a node), and in one of the ORT format."""
    return b"\x22" + bytes([len(operator)]) + operator, len(operator).to_bytes(4, "little") + operator + b"\x00"


def _open(
    module: Any,
    path: Path,
    content: bytes | None,
    providers: list[tuple[str, dict[str, str]]],
    threads: int | None,
    optimize: bool,
) -> Any:
    if content is None:
        require_file(path, ModelFileError)
    check_structure(path, content)
    options = module.SessionOptions()
    options.add_session_config_entry(*_most_constant_bytes(_whole_size(path) if content is None else len(content)))
    options.log_severity_level = 4
    if not optimize:
        options.graph_optimization_level = module.GraphOptimizationLevel.ORT_DISABLE_ALL
    if threads is None:
        # by itself onnxruntime starts one for each core of the machine, whatever part of it this process may use
        options.intra_op_num_threads = usable_cores() or 0
    else:
        if not isinstance(threads, int) or threads < 1:
            raise InputError(f"{threads!r} threads were asked for; a whole number of at least 1 is expected.")
        if threads > _MOST_THREADS:
            raise InputError(f"{threads} threads were asked for; at most {_MOST_THREADS} are started.")
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    try:
        # When a provider fails, onnxruntime says so on standard output, where it would spoil --json, and opens the file on
        # the CPU; `_device_that_runs` finds that out. Later failures are errors.
        with contextlib.redirect_stdout(io.StringIO()):
            session = module.InferenceSession(
                str(path) if content is None else content,
                options,
                providers=[name for name, _ in providers],
                provider_options=[extra for _, extra in providers],
            )
        session.disable_fallback()
        return session
    except Exception as error:
        raise ModelFileError(
            f"{path} is not an ONNX model that onnxruntime can open: {_reason(error)}. {_fetch_again(path, str(error))}"
        ) from error


def _whole_size(path: Path) -> int:
    """Bytes of a file, with those of further files that hold weights of it."""
    others = path.parent.glob(f"{glob.escape(path.name)}?*")
    return path.stat().st_size + sum(other.stat().st_size for other in others if other.is_file())


def _most_constant_bytes(size: int) -> tuple[str, str]:
    """Setting: the most bytes that one constant may take that is computed as a file of `size` bytes is opened.

    A node whose constant would be larger is left to the run, which may never need it; releases of onnxruntime that do not know the
    setting compute it.
    """
    return "optimization.constant_folding_max_output_size_in_bytes", str(max(_CONSTANT_BYTES, 2 * size))


def _fetch_again(path: Path, reason: str = "") -> str:
    if path == _IN_MEMORY:
        return "Give the whole content of an .onnx file; one whose weights lie in a second file is opened by its path."
    if "external data" in reason.lower() or "external_data" in reason.lower():
        return "Its weights lie in a second file, which must lie whole beside it: copy the two together."
    if path.suffix in (".pth", ".pt", ".pt2", ".safetensors"):
        return f"It looks like a checkpoint; turn it into one with: toolkit export {path}"
    if "implementation for" in reason:
        return "The file is whole, but this onnxruntime has no such operator for these types of numbers; another release may."
    return "If the file was downloaded or copied, fetch it again; else make it again."


def _reason(error: Exception) -> str:
    """Reason from onnxruntime's message, without its prefix, in one line."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed:)?", "", text)
    return text.rsplit("[ONNXRuntimeError] : ", 1)[-1].rstrip(".")


def _tensor(node: Any) -> Tensor:
    shape = tuple(length if isinstance(length, int) else (length or UNNAMED) for length in node.shape)
    type_ = node.type[len(_OPTIONAL) : -1] if node.type.startswith(_OPTIONAL) else node.type
    return Tensor(node.name, DTYPES.get(type_, type_), shape)
