"""Model: an opened ONNX file with prediction and embedding; `runtime.load(...)` opens one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from runtime.batches import Chunk, Run, asking, run_items, run_named, run_pictures, run_prepared, without_rows
from runtime.card import InputCard, ModelCard
from runtime.errors import CardError, InputError, suggest
from runtime.preprocess.inputs import parse_inputs
from runtime.preprocess.kinds import preprocessor_of
from runtime.results import Failure, Prediction, find_decoder
from runtime.results.scores import not_finite
from runtime.session import Session, Tensor
from runtime.session.providers import Device

if TYPE_CHECKING:
    import numpy.typing as npt

    from runtime.preprocess.named_inputs import NamedItems

    Array = npt.NDArray[Any]

__all__ = ["Model", "load"]


def load(
    path: str | os.PathLike[str] | bytes,
    device: str = "auto",
    *,
    require_device: bool = False,
    threads: int | None = None,
) -> Model:
    """Open an ONNX file, by its path or as its content. Arguments and errors are those of `runtime.session.Session`."""
    return Model(Session(path, device, require_device=require_device, threads=threads))


class Model:
    """An opened file: `.predict`, `.embed`, `.run`, `.card`.

    `runtime.preprocess.inputs.parse_inputs` documents the inputs that `predict` and `embed` accept, and
    `runtime.preprocess.named_inputs.parse_named_inputs` those for a card with several inputs.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.session.path

    @property
    def device(self) -> Device:
        """Requested device, running device, and the reason where they differ."""
        return self.session.device

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The file's inputs."""
        return self.session.inputs

    @property
    def optional_inputs(self) -> tuple[Tensor, ...]:
        """Inputs that a run may be given and may do without."""
        return self.session.optional_inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The file's outputs."""
        return self.session.outputs

    @property
    def card(self) -> ModelCard | None:
        """The file's card, or None for a file from elsewhere."""
        return self.session.card

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Run on arrays: input name -> array, output name -> array. Takes, returns and raises as `Session.run`."""
        return self.session.run(inputs, outputs)

    def predict(self, data: Any, *, on_error: Literal["raise", "keep"] = "raise") -> Any:
        """Predict one input or many.

        Returns:
            One result of the card's task (`runtime.results`) for one input, a list of them for a folder, table, batch or list.

        Raises:
            InputError: an input cannot be read; with ``on_error="keep"`` it becomes a `Failure` in the list instead.
            OutputError: the network's answer to an input is NaN or infinite; as above.
            CardError: the file has no card, or its card names no prediction.
        """
        card = self._card()
        find_decoder(card.task).outputs(card)
        items, single = self._items(data)
        results = list(self.stream(items, on_error=on_error))
        return results[0] if single else results

    def stream(
        self,
        items: Sequence[Any] | Mapping[str, Any] | NamedItems | Array,
        *,
        on_error: Literal["raise", "keep"] = "raise",
    ) -> Iterator[Prediction]:
        """Predict a list of inputs lazily: results one at a time and in order, with bounded memory."""
        card = self._card()
        decoder = find_decoder(card.task)
        decoder.outputs(card)
        start = 0
        for chunk in self._chunks(items, lambda session, feeds: decoder.run(session, feeds, card)):
            chunk = without_rows(chunk, decoder.unanswered(chunk.outputs or {}, card), self.path, start)
            start += len(chunk.sources)
            good = [source for index, source in enumerate(chunk.sources) if index not in chunk.failures]
            found = iter(decoder.decode(chunk.outputs, card, good) if chunk.outputs is not None else [])
            for index in range(len(chunk.sources)):
                failure = chunk.failures.get(index)
                if failure is not None and on_error == "raise":
                    raise failure.error
                yield failure if failure is not None else next(found)

    def embed(self, data: Any, *, output: str | None = None, normalize: bool = False) -> npt.NDArray[np.float32]:
        """Embed one input, (D,), or many, (N, D), float32.

        Args:
            data: as for `predict`.
            output: the output to take; None for the one that the card calls the embedding.
            normalize: scale each row to length 1.

        Raises:
            InputError: an input cannot be read.
            OutputError: the embedding of an input holds NaN or infinity.
            CardError: the card names no embedding and `output` is None.
        """
        name = self.embedding_output(output)
        items, single = self._items(data)
        if not len(items):
            raise InputError("No input was given; at least one is expected.")
        rows = []
        for _, failures, values in self.embed_stream(items, output=name):
            for failure in failures.values():
                raise failure.error
            if values is not None:
                rows.append(values)
        result = np.concatenate(rows)
        if normalize:
            result = result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return result[0] if single else result

    def embed_stream(
        self, items: Sequence[Any], *, output: str | None = None
    ) -> Iterator[tuple[list[str | None], dict[int, Failure], npt.NDArray[np.float32] | None]]:
        """Embed a list of inputs lazily: chunks of (sources, failures by position, embeddings (n, D) of the others)."""
        name = self.embedding_output(output)
        start = 0
        for chunk in self._chunks(items, asking(name)):
            values = {} if chunk.outputs is None else {name: _flat(chunk.outputs[name])}
            broken = {
                row: f"{words} of {name!r}" for array in values.values() for row, words in not_finite(array).items()
            }
            chunk = without_rows(replace(chunk, outputs=values or None), broken, self.path, start)
            start += len(chunk.sources)
            yield chunk.sources, chunk.failures, None if chunk.outputs is None else chunk.outputs[name]

    def embedding_output(self, output: str | None = None) -> str:
        """The output that is the embedding: `output`, or the one that the card calls so.

        Raises:
            InputError: the file has no such output.
            CardError: `output` is None, and the card names no embedding.
        """
        name = output or (self.card.output("embedding") if self.card else None)
        names = [tensor.name for tensor in self.outputs]
        if name in names:
            return name
        if output is not None:
            raise InputError(f"{self.path} has no output {output!r}.{suggest(output, names)}")
        again = (
            ", or export the model again and ask for the embedding (toolkit export --outputs ...,embedding)"
            if self.card
            else ""
        )
        raise CardError(
            f"{self.path} names no embedding. Its outputs are {', '.join(names)}: choose one with --embedding NAME "
            f"(output=... in Python){again}."
        )

    def space(self, output: str | None = None) -> str:
        """Digest of the file and the output: embeddings can be compared only when they share it."""
        return f"{self.digest}:{output or self.embedding_output()}"

    @property
    def digest(self) -> str:
        """SHA-256 of the file, which holds the weights and the pre-processing alike."""
        return self.session.digest

    def items(self, paths: Sequence[str | os.PathLike[str]]) -> Any:
        """Expand paths of pictures, folders, tables, texts or sequences, of several inputs of .npz files, to items of `stream`,
        or prepared rows.

        Raises:
            InputError: a path does not exist or does not fit the model's input.
        """
        if self._takes_several():
            from runtime.preprocess.named_inputs import join_items, parse_named_inputs

            cards = self._card().inputs
            return join_items([parse_named_inputs(path, cards)[0] for path in paths], cards)
        card = self._input()
        return preprocessor_of(card).find(paths, card, str(self.path))

    def _card(self) -> ModelCard:
        if self.card is None:
            raise CardError(
                f"{self.path} has no model card, so its pre-processing and labels are unknown. It takes "
                f"{'; '.join(map(str, self.inputs)) or 'no input'}: use .run(...) with arrays, in Python."
            )
        return self.card

    def _input(self) -> InputCard:
        if self.card is not None:
            if len(self.card.inputs) != 1:
                raise CardError(
                    f"{self.path} takes {len(self.card.inputs)} inputs; use .run in Python, with one array for each."
                )
            return self.card.inputs[0]
        if len(self.inputs) != 1:
            names = ", ".join(tensor.name for tensor in self.inputs) or "none"
            raise CardError(
                f"{self.path} takes {len(self.inputs)} inputs ({names}); use .run in Python, with one array for each."
            )
        tensor = self.inputs[0]
        if not tensor.is_array:
            raise CardError(f"{self.path} takes {tensor}, which has no rows; use .run in Python.")
        rows = self.session.batch.axes.get(tensor.name, 0)
        row = tuple(n if isinstance(n, int) else None for axis, n in enumerate(tensor.shape) if axis != rows)
        from runtime.card import ArrayInput

        return ArrayInput(tensor.name, row, tensor.dtype)

    def _takes_several(self) -> bool:
        return self.card is not None and len(self.card.inputs) > 1

    def _items(self, data: Any) -> tuple[Any, bool]:
        if self._takes_several():
            from runtime.preprocess.named_inputs import parse_named_inputs

            return parse_named_inputs(data, self._card().inputs)
        return parse_inputs(data, self._input())

    def _chunks(self, items: Any, run: Run) -> Iterator[Chunk]:
        if self._takes_several():
            from runtime.preprocess.named_inputs import parse_named_inputs

            cards = self._card().inputs
            yield from run_named(self.session, parse_named_inputs(items, cards)[0], cards, run)
            return
        card = self._input()
        if isinstance(items, np.ndarray):
            yield from run_prepared(self.session, items, run)
        elif (way := preprocessor_of(card).items) == "apart":
            yield from run_pictures(self.session, items, card, run)
        elif way == "together":
            yield from run_items(self.session, items, card, run)
        else:
            raise InputError(f"{self.path} takes a {card.kind}, not pictures.")


def _flat(values: Array) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is told of as such
        return values.reshape(len(values), -1).astype(np.float32, copy=False)
