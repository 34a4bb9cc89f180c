"""Loading data: pictures, tables, arrays, texts, data frames, and torch's own data sets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch

from runtime.errors import InputError, suggest
from toolkit.api.calls import check_call
from toolkit.api.state import State
from toolkit.builder.spec import check
from toolkit.data.augmentation.transforms import parse_transform
from toolkit.data.batching.batches import Batches
from toolkit.data.class_names import class_names
from toolkit.data.dataset import Dataset, input_dtype
from toolkit.data.labels_by_name import fits_labels, with_labels
from toolkit.data.padding import padded_for
from toolkit.data.readers import pairs
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.frames import is_frame, join_labels, load_frame
from toolkit.data.readers.text import load_texts, token_dataset
from toolkit.data.readers.torch_sources import load_torch_dataset
from toolkit.data.source import Source, open_archives, open_pictures, open_tables
from toolkit.data.splits import split
from toolkit.tasks.registry import find_task

__all__ = ["Loading"]

Classes = Sequence[str] | Mapping[Any, Any] | None


class Loading(State):
    """Each method returns the batches, or (training batches, validation batches) when `train_val_ratio` is below 1."""

    def load_img_data(
        self,
        data_path: str | os.PathLike[str],
        classes: Classes = None,
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
        batch_mode: bool = False,
        transform: Any = None,
        color: Literal["RGB", "grayscale"] = "RGB",
        num_workers: int = 0,
        data_type: str = "image_folder",
    ) -> Any:
        """Load pictures from one sub-folder per class, or from folders ``train`` and ``val``, ``test`` of such.

        Args:
            data_path: the folder. Where it brings a part for validation, `train_val_ratio` cuts off none.
            classes: the folders' names in the order of the network's outputs, new names in the order of the folders, or a dictionary
                between names and indices, either way round.
            batch_size: examples per step.
            train_val_ratio: share of the training part; below 1 the rest is for validation.
            shuffle: reshuffle every epoch.
            batch_mode: accepted for familiarity; sets that do not fit in memory are always read in batches.
            transform: {"Resize": (height, width), "RandomHorizontalFlip": 0.5, ...}, or torchvision's own.
                Deterministic ones go into the card and the exported file; random ones act in training only.
            color: "RGB" or "grayscale".
            num_workers: threads that decode; processes that augment, for random transforms. 0: one thread per core.
            data_type: accepted for familiarity.
        """
        if color not in ("RGB", "grayscale"):
            raise InputError(f"color={color!r} was given.{suggest(str(color), ('RGB', 'grayscale'))}")
        if not isinstance(num_workers, int) or isinstance(num_workers, bool) or num_workers < 0:
            raise InputError(f"num_workers={num_workers!r} was given; a whole number of at least 0 is expected.")
        card, augment, mix = parse_transform(transform, color)
        source = open_pictures(data_path, card=card, labels=classes, workers=num_workers or None)
        return self._use_parts(
            source, batch_size, train_val_ratio, shuffle, augment=augment, mix=mix, workers=num_workers
        )

    def load_tab_data(
        self,
        data_path: str | os.PathLike[str],
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
        y_type: str | None = None,
        num_workers: int = 0,
        *,
        classes: Classes = None,
        label: str | Sequence[str] | None = None,
        scale: bool = True,
        scale_targets: bool = True,
    ) -> Any:
        """Load a CSV or TSV table: a header, number columns, the label or value in the last column.

        Args:
            data_path: the file, or a folder with ``train.csv`` and ``val.csv``, ``test.csv``.
            batch_size, train_val_ratio, shuffle: as for `load_img_data`.
            y_type, num_workers: accepted for familiarity.
            classes: class names in the order of the network's outputs, or new ones, as for `load_img_data`.
            label: name of the label's column, or a list of names where there are several labels or values; None takes the last one.
            scale: bring each column to mean 0 and deviation 1; the card keeps the numbers, so `inference` and the
                exported file take unscaled rows.
            scale_targets: for a regression, train on targets of mean 0 and deviation 1; the network's fixed last step brings
                its outputs back, so that they, losses, metrics and the exported file are in the data's units. Targets stay as
                they are where a loss needs that (counts, probabilities, a function of your own), and where the network ends
                in something that bounds its outputs, such as a sigmoid or relu.
        """
        source = open_tables(data_path, task=self.task, labels=classes, scale=scale, label=label)
        return self._use_parts(source, batch_size, train_val_ratio, shuffle, scale_targets=scale_targets)

    def load_npz_data(
        self,
        data_path: str | os.PathLike[str],
        batch_size: int = 32,
        shuffle: bool = True,
        classes: Classes = None,
        train_val_ratio: float = 1.0,
        num_workers: int = 0,
        *,
        scale_targets: bool = True,
    ) -> Any:
        """Load an NPZ file with the arrays ``data`` and ``label``, and ``word2idx`` for text; or a folder with ``train.npz`` and
        ``val.npz``, ``test.npz``.

        `scale_targets` is as for `load_tab_data`; the other arguments are as for `load_img_data`.
        """
        source = open_archives(data_path, task=self.task, labels=classes)
        return self._use_parts(source, batch_size, train_val_ratio, shuffle, scale_targets=scale_targets)

    def load_dataset(
        self,
        x: Any,
        y: Any = None,
        num_workers: int = 0,
        *,
        classes: Classes = None,
        word2idx: Mapping[str, int] | None = None,
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
        scale_targets: bool = True,
    ) -> Any:
        """Load arrays, a data frame, or a torch Dataset or DataLoader.

        Args:
            x: (N, ...); uint8 pictures are scaled to 0..1. Tokens (N, L) where `word2idx` is given. A list of (L, F)
                arrays of different lengths is padded, and the network leaves the padding out. A pandas DataFrame holds the label too, as does a torch data set.
            y: labels (N,), one-hot (N, K) or values; tokens (N, L) where `word2idx` is given; for a data frame the
                label column's name, or the labels themselves, such as another frame's column.
            num_workers: accepted for familiarity.
            classes: class names.
            word2idx: token -> index, for text.
            batch_size, train_val_ratio, shuffle: as for `load_img_data`.
            scale_targets: as for `load_tab_data`.
        """
        labels = class_names(classes)
        if word2idx is not None:
            data = token_dataset(_array(x), _array(y), word2idx, task=self.task, labels=labels)
        elif isinstance(x, torch.utils.data.Dataset | torch.utils.data.DataLoader):
            data = load_torch_dataset(x, task=self.task, labels=labels)
        elif is_frame(x):
            if not _names_columns(y, x):
                x, y = join_labels(x, y)
            data = load_frame(x, label=y, task=self.task, labels=labels)
        elif y is None:
            raise InputError("load_dataset was given inputs without labels; give y, one label for each input.")
        else:
            data = load_arrays(_array(x), _array(y), task=self.task, labels=labels)
        return self._use(data, batch_size, train_val_ratio, shuffle, scale_targets=scale_targets)

    def load_pairs(
        self,
        x1: Any,
        x2: Any,
        same: Any,
        *,
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
    ) -> Any:
        """Load pairs, two inputs per example and whether they are alike, for nn("embedding").

        Args:
            x1, x2: (N, ...) each.
            same: (N,); True, 1: alike; False, 0, -1: not alike.
            batch_size, train_val_ratio, shuffle: as for `load_img_data`.
        """
        return self._use(pairs.load_pairs(_array(x1), _array(x2), _array(same)), batch_size, train_val_ratio, shuffle)

    def load_triplets(
        self,
        anchor: Any,
        positive: Any,
        negative: Any,
        *,
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
    ) -> Any:
        """Load triplets for nn("embedding"): the positive is like the anchor, the negative is not.

        Args:
            anchor, positive, negative: (N, ...) each.
            batch_size, train_val_ratio, shuffle: as for `load_img_data`.
        """
        data = pairs.load_triplets(_array(anchor), _array(positive), _array(negative))
        return self._use(data, batch_size, train_val_ratio, shuffle)

    def load_text_data(
        self,
        texts: Sequence[str],
        y: Any,
        *,
        level: Literal["character", "word"] = "character",
        length: int | None = None,
        classes: Classes = None,
        batch_size: int = 32,
        train_val_ratio: float = 1.0,
        shuffle: bool = True,
        scale_targets: bool = True,
        **options: Any,
    ) -> Any:
        """Load texts with a label each; the vocabulary is built from them and kept in the card.

        Args:
            texts: N texts.
            y: N labels.
            level: "character" or "word".
            length: maximum tokens per text; None takes the longest text's.
            classes: class names.
            batch_size, train_val_ratio, shuffle: as for `load_img_data`.
            scale_targets: as for `load_tab_data`.
            options: further ones of `toolkit.data.readers.text.load_texts`, such as lowercase=True.
        """
        check_call(load_texts, "load_text_data", texts, y, **options)
        data = load_texts(texts, y, level=level, length=length, task=self.task, labels=class_names(classes), **options)
        return self._use(data, batch_size, train_val_ratio, shuffle, scale_targets=scale_targets)

    def use(
        self,
        source: Source,
        *,
        batch_size: int = 32,
        train_val_ratio: float = 0.9,
        test_ratio: float = 0.0,
        shuffle: bool = True,
        augment: Any = None,
        mix: Any = None,
        workers: int = 0,
        scale_targets: bool = True,
    ) -> Batches:
        """Train on an opened source; its own validation and test parts are used where it brings them."""
        source = self._in_known_order(source)
        ratio = 1.0 if source.validation is not None else train_val_ratio
        held_out = 0.0 if source.test is not None else test_ratio
        further: dict[str, Any] = {"augment": augment, "mix": mix, "workers": workers, "scale_targets": scale_targets}
        self._use(source.train, batch_size, ratio, shuffle, held_out, **further)
        crops = None if augment is None else augment.crops

        def prepared(part: Dataset) -> Dataset:
            part = part if augment is None else augment.prepare(part)
            return padded_for(part, self._spec.padding)

        if source.validation is not None:
            self._validation = self._measured(prepared(source.validation), None, batch_size, crops)
        if source.test is not None:
            self._test = self._measured(prepared(source.test), None, max(256, batch_size), crops)
        assert self._train is not None
        return self._train

    def _use_parts(self, source: Source, batch_size: int, train_val_ratio: float, shuffle: bool, **changes: Any) -> Any:
        """As `use` -> the training batches, or (training, validation) batches where there is a part for validation."""
        train = self.use(source, batch_size=batch_size, train_val_ratio=train_val_ratio, shuffle=shuffle, **changes)
        return train if self._validation is None else (train, self._validation)

    def _use(
        self,
        data: Dataset,
        batch_size: int,
        train_val_ratio: float,
        shuffle: bool,
        test_ratio: float = 0.0,
        *,
        augment: Any = None,
        mix: Any = None,
        workers: int = 0,
        scale_targets: bool = True,
    ) -> Any:
        if not isinstance(scale_targets, bool):
            raise InputError(f"scale_targets={scale_targets!r} was given; True or False is expected.")
        if data.task in find_task(self.task).yields_to:
            self.task = data.task
        if data.task != self.task:
            raise InputError(f"The data is for {data.task}, the network for {self.task}. Use nn('{data.task}').")
        data = self._in_known_order(Source(data)).train
        crops = None if augment is None else augment.crops
        data = data if augment is None else augment.prepare(data)
        spec = dataclasses.replace(self._spec, **facts_for_spec(data))
        check(spec)
        loaded = self._checkpoint is not None and check(self._spec)[0] == check(spec)[0]
        if loaded:  # the data are padded as the network knows it
            spec = spec if self._spec.padding is not None else dataclasses.replace(spec, padding=None)
            data = padded_for(data, spec.padding)
        else:
            spec = dataclasses.replace(spec, skips_padding=True)
        seed = self._seed if self._seed is not None else int(torch.randint(2**31, ()))
        parts = split(data, train_val_ratio, seed, test_ratio)
        train = Batches(
            data,
            parts.train,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            augment=augment,
            mix=mix,
            workers=workers,
        )
        validation = self._measured(data, parts.validation, batch_size, crops)
        if not loaded:  # weights that were loaded or trained stay, for data of the same shape
            self._rebuild()
            spec = dataclasses.replace(spec, target_scaling=None)
        elif self._network is not None:
            self._network.padding = spec.padding
        self._spec, self._checkpoint, self._scale_targets = spec, None, scale_targets
        self._train, self._validation = train, validation
        self._test = self._measured(data, parts.test, max(256, batch_size), crops)
        return train if validation is None else (train, validation)

    def _in_known_order(self, source: Source) -> Source:
        """The source with the classes or values of the network that was loaded or trained, in its order, where it has no others.

        Raises:
            InputError: it has others too, and one that the network knows is in another place.
        """
        known, here = () if self._checkpoint is None else self._checkpoint.card.labels, source.train.labels
        if fits_labels(source.train, known):
            parts = (source.train, source.validation, source.test)
            return Source(*(None if part is None else with_labels(part, known) for part in parts))  # type: ignore[arg-type]
        moved = next((name for name in here if name in known and here.index(name) != known.index(name)), None)
        if moved is not None and len(known) == len(here):
            raise InputError(
                f"The network's outputs are {', '.join(known)}; the data has {', '.join(here)}, with {moved!r} in another place. Give "
                f"their order with classes=[...], or begin with a new network, without load()."
            )
        return source

    @staticmethod
    def _measured(data: Dataset, indices: np.ndarray | None, batch_size: int, crops: Any) -> Batches | None:
        """Evaluation batches: unshuffled, without augmentation; None for an empty part."""
        if indices is not None and not len(indices):
            return None
        return Batches(data, indices, batch_size=batch_size, crops=crops)


def facts_for_spec(data: Dataset) -> dict[str, Any]:
    """Spec fields that the data determine: input_shape, input_dtype, num_classes, vocabulary and padding."""
    return {
        "input_shape": data.shape,
        "input_dtype": data.dtype,
        "further_inputs": tuple(
            (tuple(int(length or 0) for length in card.shape), input_dtype(card)) for card in data.further
        ),
        "num_classes": len(data.labels) if data.labels else None,
        "vocabulary": data.vocabulary,
        "padding": None if data.further else data.card.padding_mark,
    }


def _names_columns(y: Any, frame: Any) -> bool:
    """True where `y` is None or names columns of the frame; False where it is the labels themselves."""
    if y is None or isinstance(y, str):
        return True
    return isinstance(y, list | tuple) and all(isinstance(name, str) and name in frame for name in y)


def _array(data: Any) -> Any:
    if isinstance(data, torch.Tensor):
        if data.layout is not torch.strided or data.is_meta:
            kind = "without numbers" if data.is_meta else "sparse"
            raise InputError(
                f"A {kind} tensor was given; a dense one with numbers is expected, such as tensor.to_dense()."
            )
        dense = data.detach().cpu()
        return (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()
    return np.asarray(data) if isinstance(data, tuple) else data
