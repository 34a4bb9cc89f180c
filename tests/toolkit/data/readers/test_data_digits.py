"""The digits that ship with the package."""

from __future__ import annotations

import numpy as np
import torch

from toolkit.data.readers.digits import digit_pictures, load_digits


def test_there_are_1797_digits_of_ten_classes() -> None:
    pictures, labels = digit_pictures()
    assert pictures.shape == (1797, 8, 8)
    assert pictures.dtype == np.uint8
    assert (pictures.min(), pictures.max()) == (0, 255)
    # the counts that the data set's authors state
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_as_a_data_set_they_are_scaled_to_one() -> None:
    data = load_digits()
    assert len(data) == 1797
    assert data.labels == tuple("0123456789")
    assert data.describe() == "1,797 examples of shape 1 x 8 x 8, 10 classes"
    values = data.inputs.take(torch.arange(len(data)))
    assert (float(values.min()), float(values.max())) == (0, 1)


def test_a_zero_is_hollow_and_a_one_is_not() -> None:
    pictures, labels = digit_pictures()
    centre = pictures[:, 3:5, 3:5].mean((1, 2))
    assert centre[labels == 0].mean() < 40
    assert centre[labels == 1].mean() > 180
