"""The networks of the zoo loop: what they are called, how they are made with random weights, and a small input for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["GROUPS", "TIMM", "Entry", "build", "names", "soften_offsets"]

# One of each family, the smallest or nearly so.
TIMM = (
    "convnext_atto", "convnextv2_atto", "inception_next_atto", "convmixer_768_32", "mambaout_femto", "starnet_s1",
    "fasternet_t0", "edgenext_xx_small", "mobilevit_xxs", "mobilevitv2_050", "fastvit_t8", "efficientformer_l1",
    "efficientformerv2_s0", "efficientvit_b0", "efficientvit_m0", "swiftformer_xs", "shvit_s1", "vit_tiny_patch16_224",
    "deit_tiny_distilled_patch16_224", "deit3_small_patch16_224", "beit_base_patch16_224", "eva02_tiny_patch14_224",
    "cait_xxs24_224", "xcit_nano_12_p16_224", "crossvit_tiny_240", "convit_tiny", "coat_lite_tiny", "pit_ti_224",
    "pvt_v2_b0", "twins_pcpvt_small", "nest_tiny", "tnt_s_patch16_224", "levit_128s", "visformer_tiny",
    "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "davit_tiny", "focalnet_tiny_srf", "gcvit_xxtiny",
    "maxvit_tiny_rw_224", "coatnet_nano_rw_224", "mvitv2_tiny", "hiera_tiny_224", "tiny_vit_5m_224", "poolformer_s12",
    "caformer_s18", "sequencer2d_s", "mixer_s32_224", "gmlp_ti16_224", "resmlp_12_224", "botnet26t_256", "halonet26t",
    "lambda_resnet26t", "gcresnet33ts", "vit_relpos_small_patch16_224", "vitamin_small_224", "resnet18d", "seresnet50",
    "ecaresnet26t", "resnetv2_18", "resnext26ts", "resnest14d", "skresnet18", "res2net50_14w_8s",
    "legacy_seresnext26_32x4d", "dla46_c", "dpn48b", "densenet121", "rdnet_tiny", "vovnet39a", "selecsls42b",
    "hrnet_w18_small", "cspdarknet53", "cspnext_tiny", "hgnetv2_b0", "regnety_002", "gernet_s", "repvgg_a0",
    "mobileone_s0", "repvit_m0_9", "repghostnet_050", "ghostnet_050", "rexnet_100", "mobilenetv3_small_050",
    "mobilenetv4_conv_small", "lcnet_035", "efficientnet_lite0", "tf_efficientnetv2_b0", "mixnet_s", "mnasnet_small",
    "fbnetv3_b", "hardcorenas_a", "inception_v4", "legacy_xception", "xception41", "nasnetalarge", "nf_resnet50",
    "dm_nfnet_f0", "tresnet_m",
)  # fmt: skip

GROUPS = ("classification", "segmentation", "detection", "video", "optical_flow", "timm")

# Of several GB: last, so that the rest of the table does not wait for them.
_LARGE = ("vit_h_14", "regnet_y_128gf")


@dataclass(frozen=True)
class Entry:
    """A network ready to be exported.

    Attributes:
        module: the network.
        shape: of one input, without the batch.
        task: the task of its card, or None where its outputs are taken as they are.
        dynamic: names of the axes of any length.
        inputs: how many of that shape it takes.
    """

    module: torch.nn.Module
    shape: tuple[int, ...]
    task: str | None
    dynamic: tuple[str, ...] = ("batch",)
    inputs: int = 1


def names(group: str) -> list[str]:
    """The networks of a group, each "library:name"."""
    if group == "timm":
        return [f"timm:{name}" for name in TIMM]
    import torchvision

    place = {
        "classification": torchvision.models,
        "segmentation": torchvision.models.segmentation,
        "video": torchvision.models.video,
        "detection": torchvision.models.detection,
        "optical_flow": torchvision.models.optical_flow,
    }[group]
    found = torchvision.models.list_models(module=place)
    return [f"torchvision:{name}" for name in sorted(found, key=lambda name: name in _LARGE)]


def build(name: str, group: str, published: bool = False) -> Entry:
    """The network as its library makes it, with random weights, and a small input, or the published size."""
    library, _, model = name.partition(":")
    torch.manual_seed(0)
    if library == "timm":
        return _timm(model, published)
    import torchvision

    if group == "segmentation":
        module = torchvision.models.get_model(model, weights=None, weights_backbone=None, aux_loss=_has_aux(model))
        return Entry(module, (3, 520, 520) if published else (3, 97, 129), None, ("batch", "height", "width"))
    if group == "detection":
        return _detector(model, published)
    if group == "optical_flow":
        module = torchvision.models.get_model(model, weights=None)
        return Entry(module, (3, 440, 1024) if published else (3, 128, 136), None, inputs=2)
    if group == "video":
        module = torchvision.models.get_model(model, weights=None)
        return Entry(module, _video_shape(model), "classification")
    options, size = _classification(model, published)
    module = torchvision.models.get_model(model, weights=None, **options)
    return Entry(module, (3, size, size), "classification")


def _classification(model: str, published: bool) -> tuple[dict[str, Any], int]:
    """Options of a torchvision classifier, and the side of its input."""
    if model in ("googlenet", "inception_v3"):
        # the auxiliary classifiers are for training only
        return {"init_weights": False}, 299 if published and model == "inception_v3" else 224 if published else 128
    if published or model == "maxvit_t":
        return {}, 224  # maxvit's windows divide no smaller size
    if model.startswith("vit_"):
        side = 4 * int(model.rpartition("_")[2])
        return {"image_size": side}, side
    return {}, 128


def _detector(model: str, published: bool) -> Entry:
    """Pictures that are resized to little, with few proposals: random weights find something everywhere."""
    import torchvision

    two_stages = "rcnn" in model
    options: dict[str, Any] = {}
    if not published and not model.startswith("ssd"):
        options = {"min_size": 128, "max_size": 192, ("box_" if two_stages else "") + "detections_per_img": 20}
    if not published and two_stages:
        options |= {"rpn_pre_nms_top_n_test": 200, "rpn_post_nms_top_n_test": 60}
    module = torchvision.models.get_model(model, weights=None, weights_backbone=None, **options)
    return Entry(module, (3, 480, 640) if published else (3, 120, 160), None)


# What is added to positions, by a part of its name -> what it is multiplied by.
_OFFSETS = {"bbox": 0.2, "regression_head.module_list": 0.2, "flow_head": 0.05}


def soften_offsets(module: torch.nn.Module) -> None:
    """Let a detector's boxes and a flow's steps be as small as a trained network's; of others nothing is changed.

    Offsets of standard deviation 1 move the corners of large boxes by hundreds of pixels, and rounding errors with them; a
    flow that is estimated step by step goes anywhere.
    """
    with torch.no_grad():
        for name, child in module.named_modules():
            if isinstance(child, torch.nn.Conv2d | torch.nn.Linear):
                child.weight.mul_(next((factor for part, factor in _OFFSETS.items() if part in name), 1.0))


def _has_aux(model: str) -> bool | None:
    return None if model.startswith("lraspp") else True


def _video_shape(model: str) -> tuple[int, int, int, int]:
    """(C, T, H, W)."""
    if model.startswith("mvit"):
        return (3, 16, 224, 224)
    return (3, 16, 64, 64) if model == "s3d" else (3, 8, 64, 64)


def _timm(model: str, published: bool) -> Entry:
    import timm

    module = timm.create_model(model, pretrained=False)
    config = module.pretrained_cfg
    channels, height, width = config["input_size"]
    least = max(config.get("min_input_size") or (0, 0, 0))
    if not (published or config.get("fixed_input_size")):
        height = width = max(min(height, 128), least)
    return Entry(module, (channels, height, width), "classification")
