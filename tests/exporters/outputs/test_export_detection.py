"""The parts of torchvision's detectors in their export forms, each against torchvision itself; then small whole detectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters import export
from exporters.outputs.detection import NOTHING, PaddedDetections, family, padded_detections
from exporters.outputs.detection_order import same_order
from exporters.tracing.forms import find_form
from exporters.tracing.forms.keypoint_peaks import keypoints_of
from exporters.tracing.forms.mask_pasting import paste_masks
from exporters.tracing.forms.suppression_mask import best, kept
from runtime.errors import SpecError
from runtime.session import Session

pytest.importorskip("torchvision")


def _boxes(*shape: int, seed: int = 0, side: float = 40.0) -> torch.Tensor:
    """(..., 4) boxes that overlap a lot."""
    generator = torch.Generator().manual_seed(seed)
    corners, sides = side * torch.rand(2, *shape, 2, generator=generator)
    return torch.cat([corners, corners + sides], -1)


class Suppress(torch.nn.Module):
    def forward(self, boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return kept(boxes, scores, 0.5, 0.2)


class Keypoints(torch.nn.Module):
    def forward(self, maps: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return keypoints_of(maps, boxes)


def test_kept_is_batched_nms_row_by_row() -> None:
    from torchvision.ops import batched_nms

    boxes, scores = _boxes(3, 50), torch.rand(3, 4, 50, generator=torch.Generator().manual_seed(1))
    found = kept(boxes, scores, 0.5, 0.2)
    for row in range(3):
        labels, places = torch.where(scores[row] > 0.2)
        left = batched_nms(boxes[row, places], scores[row, labels, places], labels, 0.5)
        expected = torch.zeros(4, 50)
        expected[labels[left], places[left]] = 1
        assert torch.equal(found[row], expected)
    assert 10 < found.sum() < (scores > 0.2).sum()


@pytest.mark.slow
def test_kept_and_keypoints_say_the_same_in_a_file(tmp_path: Path) -> None:
    scores = torch.rand(3, 4, 50, generator=torch.Generator().manual_seed(1))
    report = export(Suppress(), tmp_path / "kept.onnx", example=(_boxes(3, 50), scores))
    assert report.parity.worst_difference == 0
    assert report.parity.batch_sizes == (1, 2, 5)

    maps = torch.randn(4, 3, 7, 7, generator=torch.Generator().manual_seed(2))
    report = export(Keypoints(), tmp_path / "keypoints.onnx", example=(maps, _boxes(4)))
    assert report.parity.batch_sizes == (1, 2, 5)
    assert Session(report.path, "cpu").inputs[0].shape[0] == "batch"


def test_keypoints_are_torchvisions() -> None:
    from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

    maps, boxes = torch.randn(6, 3, 9, 9, generator=torch.Generator().manual_seed(3)), _boxes(6, seed=4)
    boxes[0, 2:] = boxes[0, :2]  # an empty box counts as one pixel
    for own, theirs in zip(keypoints_of(maps, boxes), heatmaps_to_keypoints(maps, boxes), strict=True):
        torch.testing.assert_close(own, theirs)


@given(seed=st.integers(0, 10_000), height=st.integers(1, 40), width=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_masks_are_pasted_as_torchvision_pastes_them(seed: int, height: int, width: int) -> None:
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    # detections are clipped to the picture
    boxes = _boxes(5, seed=seed, side=25.0)
    boxes[:, 0::2].clamp_(0, width)
    boxes[:, 1::2].clamp_(0, height)
    masks = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    expected = paste_masks_in_image(masks, boxes, (height, width))
    found = paste_masks(masks[:, 0][None], boxes[None], (height, width))[0]
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_best_takes_all_where_there_are_few() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.5]])
    values, boxes, names = best(scores, 5, torch.arange(12.0).reshape(1, 3, 4), torch.tensor([[7, 8, 9]]))
    assert values.tolist() == [[0.9, 0.5, 0.1]] or torch.allclose(values, torch.tensor([[0.9, 0.5, 0.1]]))
    assert names.tolist() == [[8, 9, 7]]
    assert boxes[0, :, 0].tolist() == [4, 8, 0]


def _detections(**changes: Any) -> dict[str, np.ndarray]:
    base: dict[str, Any] = {
        "boxes": [[[0, 0, 1, 1], [5, 5, 9, 9], [2, 2, 4, 4], [0, 0, 0, 0]]],
        "scores": [[0.9, 0.5, 0.5, 0.0]],
        "labels": [[1, 2, 2, NOTHING]],
    }
    types = {"boxes": np.float32, "scores": np.float32, "labels": np.int64}
    return {name: np.array(value, types[name]) for name, value in {**base, **changes}.items()}


def test_equal_scores_may_stand_in_either_order() -> None:
    swapped = _detections(boxes=[[[0, 0, 1, 1], [2, 2, 4, 4], [5, 5, 9, 9], [0, 0, 0, 0]]])
    ordered = same_order(_detections(), swapped)
    assert all(np.array_equal(ordered[name], values) for name, values in _detections().items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": [[1, 2, 3, NOTHING]]},
        {"scores": [[0.9, 0.5, 0.4, 0.0]]},
        {"boxes": [[[0, 0, 1, 1], [5, 5, 9, 9], [2, 2, 4, 5], [0, 0, 0, 0]]]},
        {"labels": [[1, 2, NOTHING, NOTHING]], "scores": [[0.9, 0.5, 0.0, 0.0]]},
        {"labels": [[1, 2, 2, 2]], "scores": [[0.9, 0.5, 0.5, 0.5]]},
    ],
)
def test_what_is_wrong_stays_wrong_in_any_order(wrong: dict[str, Any]) -> None:
    ordered = same_order(_detections(), _detections(**wrong))
    assert any(not np.array_equal(ordered[name], values) for name, values in _detections().items())


def test_where_the_places_end_between_equal_scores_each_run_may_choose() -> None:
    full = {"labels": [[1, 2, 2, 2]], "scores": [[0.9, 0.5, 0.5, 0.5]]}
    other = _detections(boxes=[[[0, 0, 1, 1], [5, 5, 9, 9], [2, 2, 4, 4], [7, 7, 8, 8]]], **full)
    other["labels"][0, 3] = 5
    ordered = same_order(_detections(**full), other)
    assert np.array_equal(ordered["labels"], _detections(**full)["labels"])


@pytest.mark.slow
def test_it_is_said_where_nothing_was_found(pictures: torch.Tensor, tmp_path: Path) -> None:
    detector: Any = _lively(_retinanet)
    detector.score_thresh = 0.999999
    report = export(detector, tmp_path / "model.onnx", example=pictures)
    assert any("nothing was detected" in note and "--calibration" in note for note in report.notes)


class TinyBackbone(torch.nn.Sequential):
    """(N, 3, H, W) -> one feature map of a quarter of the size."""

    out_channels = 32

    def __init__(self) -> None:
        super().__init__(
            torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(8, 32, 3, 2, 1), torch.nn.ReLU()
        )


def _anchors(kind: Any = None) -> Any:
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    return AnchorGenerator(sizes=((8, 16, 32),), aspect_ratios=((0.5, 1.0, 2.0),))


def _retinanet() -> torch.nn.Module:
    from torchvision.models.detection import RetinaNet

    return RetinaNet(
        TinyBackbone(),
        5,
        min_size=48,
        max_size=96,
        anchor_generator=_anchors(),
        score_thresh=0.3,
        detections_per_img=15,
    )


def _fcos() -> torch.nn.Module:
    from torchvision.models.detection import FCOS
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    anchors = AnchorGenerator(sizes=((8,),), aspect_ratios=((1.0,),))
    return FCOS(
        TinyBackbone(), 5, min_size=48, max_size=96, anchor_generator=anchors, score_thresh=0.2, detections_per_img=15
    )


def _ssd() -> torch.nn.Module:
    from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
    from torchvision.models.detection.ssd import SSD

    anchors = DefaultBoxGenerator([[2]])
    backbone = TinyBackbone()
    backbone.out_channels = [32]  # type: ignore[assignment]  # a list, one a feature map
    return SSD(backbone, anchors, (48, 56), 5, score_thresh=0.15, detections_per_img=15)


def _rcnn(**heads: Any) -> torch.nn.Module:
    from torchvision.models.detection import FasterRCNN, KeypointRCNN, MaskRCNN
    from torchvision.ops import MultiScaleRoIAlign

    kind = KeypointRCNN if "keypoint_roi_pool" in heads else MaskRCNN if "mask_roi_pool" in heads else FasterRCNN
    return kind(
        TinyBackbone(),
        3,
        min_size=48,
        max_size=96,
        rpn_anchor_generator=_anchors(),
        box_roi_pool=MultiScaleRoIAlign(["0"], 4, 2),
        rpn_pre_nms_top_n_test=60,
        rpn_post_nms_top_n_test=25,
        box_score_thresh=0.2,
        box_detections_per_img=8,
        **heads,
    )


def _mask_rcnn() -> torch.nn.Module:
    from torchvision.ops import MultiScaleRoIAlign

    return _rcnn(mask_roi_pool=MultiScaleRoIAlign(["0"], 6, 2))


def _keypoint_rcnn() -> torch.nn.Module:
    from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads
    from torchvision.ops import MultiScaleRoIAlign

    return _rcnn(
        keypoint_roi_pool=MultiScaleRoIAlign(["0"], 4, 2),
        keypoint_head=KeypointRCNNHeads(32, (16, 512)),
        num_keypoints=4,
    )


@pytest.fixture
def pictures() -> torch.Tensor:
    """Five pictures (5, 3, 40, 56), values from 0 to 1."""
    coarse = torch.rand(5, 3, 5, 7, generator=torch.Generator().manual_seed(5))
    return torch.nn.functional.interpolate(coarse, (40, 56), mode="bilinear").clamp(0, 1)


def _lively(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """Weights under which things are found, and not all alike."""
    torch.manual_seed(6)
    detector = make().eval()
    with torch.no_grad():
        for name, parameter in detector.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2.0 / parameter[0].numel()) ** 0.5)
                if "cls" in name or "bbox" in name or "regression" in name:
                    parameter.mul_(0.5)
            else:
                parameter.fill_(float(name.endswith("weight")))
    return detector


_MAKERS = [_retinanet, _fcos, _ssd, _rcnn, _mask_rcnn, _keypoint_rcnn]


@pytest.mark.parametrize("make", _MAKERS)
def test_the_dense_form_finds_what_the_detector_finds(
    make: Callable[[], torch.nn.Module], pictures: torch.Tensor
) -> None:
    padded = padded_detections(_lively(make)).eval()
    form = find_form(padded)
    assert form is not None
    with torch.no_grad():
        expected, found = padded(pictures), form.eval()(pictures)
    arrays = [{name: value.numpy() for name, value in result.items()} for result in (expected, found)]
    assert list(expected) == list(found)
    ordered = same_order(*arrays)
    there = arrays[0]["labels"] != NOTHING
    assert there.sum() >= 5
    for name, values in arrays[0].items():
        np.testing.assert_allclose(ordered[name], values, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("make", [_retinanet, _mask_rcnn])
def test_detectors_are_exported_for_any_batch(
    make: Callable[[], torch.nn.Module], pictures: torch.Tensor, tmp_path: Path
) -> None:
    report = export(_lively(make), tmp_path / "model.onnx", example=pictures)
    assert report.parity.batch_sizes == (1, 2, 5)
    assert [output.name for output in report.card.outputs][:3] == ["boxes", "scores", "labels"]


def test_other_modules_stay_as_they_are() -> None:
    module = torch.nn.Linear(3, 2)
    assert family(module) is None
    assert padded_detections(module) is module
    with pytest.raises(SpecError, match=r"forward that takes \(N, 3, H, W\)"):
        PaddedDetections(module)
