"""Explanation of a network: feature maps, embeddings, class activation maps and hooks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.atomic import atomic_write
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare
from toolkit.api.state import State

__all__ = ["Looking"]


class Looking(State):
    """`visual_feature`, `extract_feature`, `grad_cam` and `hook`."""

    def visual_feature(
        self, data: Any, in1img: bool = False, save_fold: str | os.PathLike[str] = "layers"
    ) -> list[Path]:
        """Feature maps: write every layer's output for one input as pictures; for a table's row also as text.

        Args:
            data: one input, as `inference` takes it.
            in1img: one picture of all layers, total.png, instead of one per layer.
            save_fold: the folder to write into.

        Returns:
            The files that were written.
        """
        from toolkit.explain.feature_maps import visual_feature

        return visual_feature(self._ready(), self._one(data), Path(save_fold), in1img=in1img)

    def extract_feature(self, data: Any, pretrain: str | None = None, *, layer: str | None = None) -> np.ndarray:
        """The output of one layer.

        Args:
            data: as `inference` takes it.
            pretrain: a torchvision network with its published weights, such as "resnet34", in place of this network.
            layer: a layer's name as in `summary()`; None takes the embedding, which enters the last linear layer.

        Returns:
            float32 (N, D).
        """
        from toolkit.explain.extract import extract_feature

        if pretrain is not None:
            from torchvision.models import get_model

            from toolkit.training.pretrained.torchvision_weights import pretrained_input, start_from_pretrained

            card = pretrained_input(pretrain)
            network = get_model(pretrain, weights=None)
            start_from_pretrained(network, pretrain)
            rows, _ = prepare(_plain(data), card)
            return extract_feature(network, torch.from_numpy(rows), layer=layer)
        rows, _ = prepare(_plain(data), self._input_card())
        return extract_feature(self._ready(), torch.from_numpy(rows).to(self.device), layer=layer)

    def grad_cam(
        self,
        data: Any,
        *,
        target: int | str | None = None,
        layer: str | None = None,
        method: str = "gradcam",
        picture: str | os.PathLike[str] | None = None,
    ) -> np.ndarray:
        """Class activation map (Grad-CAM and others) of one picture.

        Args:
            data: one picture.
            target: a class by index or name; None takes the predicted one.
            layer: the layer whose feature maps are weighted; None takes the last one with height and width.
            method: "gradcam", or another of `toolkit.explain.cam`.
            picture: PNG file to write, the map drawn over the picture.

        Returns:
            float32 (H, W) in 0..1, of the size of the network's input.
        """
        from toolkit.explain.cam import class_activation_map
        from toolkit.explain.cam_figures import overlay

        labels = self._labels()
        if isinstance(target, str):
            if target not in labels:
                raise InputError(f"There is no class {target!r}; the network has {', '.join(labels)}.")
            target = labels.index(target)
        inputs = self._one(data)
        found = class_activation_map(self._ready(), inputs, target=target, layer=layer, method=method)
        if picture is not None:
            atomic_write(Path(picture), overlay(inputs.cpu(), found, card=self._input_card(), labels=labels))
        return found.map

    @contextmanager
    def hook(self, *names: str) -> Iterator[Mapping[str, torch.Tensor]]:
        """Context manager: {layer path: output of the last run} of the named layers; * matches anything."""
        from toolkit.explain.hooks import record

        with record(self.model, names) as outputs:
            yield outputs

    def _ready(self) -> torch.nn.Module:
        return self.model.to(self.device).eval()

    def _one(self, data: Any) -> torch.Tensor:
        rows, _ = prepare(_plain(data), self._input_card())
        if len(rows) != 1:
            raise InputError(f"{len(rows)} inputs were given; one is looked at at a time.")
        return torch.from_numpy(rows).to(self.device)


def _plain(data: Any) -> Any:
    return data.detach().cpu().numpy() if isinstance(data, torch.Tensor) else data
