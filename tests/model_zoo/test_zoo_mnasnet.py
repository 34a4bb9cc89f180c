"""MNASNet takes its weights back from a plain mapping."""

from __future__ import annotations

import torch
import torchvision

from model_zoo.networks.mnasnet import PlainMNASNet


def test_weights_come_back_from_a_plain_mapping_and_from_torchvisions_own() -> None:
    torch.manual_seed(0)
    source = torchvision.models.mnasnet0_5(num_classes=3).eval()
    picture = torch.rand(1, 3, 32, 32)
    for state in (dict(source.state_dict()), source.state_dict()):
        network = PlainMNASNet(0.5, 3).eval()
        network.load_state_dict(state)
        torch.testing.assert_close(network(picture), source(picture))


def test_it_is_the_same_network() -> None:
    with torch.device("meta"):
        ours, theirs = PlainMNASNet(1.3, 7).state_dict(), torchvision.models.mnasnet1_3(num_classes=7).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}
