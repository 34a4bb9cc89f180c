"""Generation: the next token of a text, and pictures from noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from model_zoo.networks.diffusion import DiffusionModel
from model_zoo.networks.embedding_lstm import EmbeddingLSTM
from runtime.atomic import atomic_path
from runtime.card import TextInput
from runtime.drawing.grid import grid
from runtime.errors import InputError, SpecError
from runtime.preprocess import convert_image
from toolkit.api.state import State

__all__ = ["Generating"]

Module = TypeVar("Module", bound=torch.nn.Module)


class Generating(State):
    """Generative part of `nn`: `inference` of text generators and diffusion models, `noisy` and `show`."""

    @property
    def _text_model(self) -> EmbeddingLSTM | None:
        return _only(self._network, EmbeddingLSTM)

    @property
    def _diffusion(self) -> DiffusionModel | None:
        return _only(self._network, DiffusionModel)

    @property
    def word2idx(self) -> dict[str, int]:
        """Token -> index, of the text that was loaded or that the checkpoint was trained on. Raises SpecError without text."""
        card = self._input_card()
        if not isinstance(card, TextInput):
            raise SpecError(
                "The network takes no text, so it has no vocabulary. load_text_data or word2idx= bring one."
            )
        return {token: index for index, token in enumerate(card.vocabulary)}

    @property
    def idx2word(self) -> dict[int, str]:
        """Index -> token; `ix2word` is the same. Raises SpecError without text."""
        return {index: token for token, index in self.word2idx.items()}

    ix2word = idx2word

    def _next_token(self, token: str, hidden: Any) -> tuple[np.ndarray, Any]:
        """Next-token probabilities float32 (V,) after `token`, and the hidden state for the next call."""
        card = self._input_card()
        model = self._text_model
        assert model is not None
        if not isinstance(card, TextInput) or token not in card.vocabulary:
            raise InputError(
                f"{token!r} is not in the vocabulary of the network. Give one of its tokens, or train with it."
            )
        fits = isinstance(hidden, tuple) and len(hidden) == 2 and all(isinstance(part, torch.Tensor) for part in hidden)
        if hidden is not None and not fits:
            raise InputError(
                f"hidden={hidden!r} was given; what inference returned with the token before, or None, is expected."
            )
        ids = torch.tensor([card.vocabulary.index(token)], device=self.device)
        with torch.inference_mode():
            logits, state = model.to(self.device).eval().step(ids, hidden)
        return logits[0].softmax(0).cpu().numpy(), state

    def _sample(self, num: int, return_all_timesteps: bool) -> np.ndarray:
        model = self._diffusion
        assert model is not None
        with torch.inference_mode():
            pictures = model.to(self.device).eval().sample(num, return_all_timesteps=return_all_timesteps)
        return pictures.cpu().numpy()

    def noisy(self, data: Any, timestep: int = 500, num: int = 10, show: bool = True) -> list[list[np.ndarray]]:
        """Forward process of diffusion: a picture at increasing noise.

        Args:
            data: a picture's path, a Pillow image or a uint8 array.
            timestep: number of noise steps; at most those of the network.
            num: number of pictures returned.
            show: draw them into noisy.png in `save_fold`.

        Returns:
            `num` pictures, each a list of its channels, float32 (H, W), 0..1 where there is no noise yet.

        Raises:
            SpecError: the network is no diffusion model, or has fewer steps.
        """
        self.model  # noqa: B018 - built now, so that it can be looked at
        model = self._diffusion
        if model is None:
            raise SpecError("noisy() is for a diffusion model; add('diffusion_model', img_size=28) makes one.")
        whole = all(isinstance(number, int) and not isinstance(number, bool) for number in (timestep, num))
        if not whole or not 1 <= timestep <= model.timestep or num < 1:
            raise SpecError(
                f"timestep={timestep!r}, num={num!r} was given; 1 to {model.timestep} steps and at least one picture are expected."
            )
        color = "grayscale" if model.channels == 1 else "RGB"
        picture = np.asarray(convert_image(data, color), np.float32) / 255
        picture = picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
        start = torch.from_numpy(np.ascontiguousarray(picture))[None]
        found = []
        for index in range(num):
            step = torch.tensor([timestep * index // num])
            found.append(list(model.cpu().noisy(start, step)[0].numpy()))
        if show:
            self._picture(np.stack([np.stack(channels) for channels in found])[None], "noisy.png")
        return found

    def show(self, data: np.ndarray, size: Sequence[int] = (2, 2), visual_timesteps: bool = False) -> None:
        """Draw generated pictures into generated.png in `save_fold`, and into the notebook where there is one.

        Args:
            data: what `inference` returned: (num, C, H, W), or (num, steps, C, H, W).
            size: rows and columns.
            visual_timesteps: one row per picture, its steps from noise to picture as columns.

        Raises:
            InputError: there are fewer pictures or steps than cells.
        """
        array = np.asarray(data, np.float32)
        array = array[:, None] if array.ndim == 4 else array
        if array.ndim != 5 or not isinstance(size, list | tuple) or len(size) != 2:
            raise InputError(
                f"Pictures of shape {array.shape} and size={size!r} were given; (num, steps, C, H, W) and (rows, columns) are expected."
            )
        rows, columns = size
        if visual_timesteps:
            if rows > len(array) or columns > array.shape[1]:
                raise InputError(
                    f"size={tuple(size)} asks for {rows} pictures in {columns} steps; there are {len(array)} in {array.shape[1]}."
                )
            chosen = np.linspace(0, array.shape[1] - 1, columns).round().astype(int)
            self._picture(array[:rows, chosen], "generated.png")
            return
        if rows * columns != len(array):
            raise InputError(
                f"size={tuple(size)} has {rows * columns} places; {len(array)} pictures were given. Let rows x columns be {len(array)}."
            )
        self._picture(array[:, -1].reshape(rows, columns, *array.shape[2:]), "generated.png")

    def _picture(self, pictures: np.ndarray, name: str) -> None:
        """Write a grid of pictures (rows, columns, C, H, W) in 0..1 as a PNG into the folder."""
        folder = Path(self.save_fold)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (pictures.clip(0, 1) * 255).round().astype(np.uint8)
        rows = [[(cell[0] if len(cell) == 1 else cell.transpose(1, 2, 0), "") for cell in row] for row in pixels]
        with atomic_path(folder / name) as path:
            grid(rows, highlight_first=False).save(path, format="PNG")
        print(f"drew {folder / name}")


def _only(network: torch.nn.Module | None, kind: type[Module]) -> Module | None:
    """The network's only module where that is an instance of `kind`, else None."""
    modules = [] if network is None else list(network.children())
    return modules[0] if len(modules) == 1 and isinstance(modules[0], kind) else None
