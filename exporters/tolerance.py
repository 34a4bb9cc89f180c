"""What a file may differ by from the network that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ABSOLUTE", "RELATIVE", "STRICT", "Tolerance"]

ABSOLUTE = 1e-5
RELATIVE = 1e-5


@dataclass(frozen=True)
class Tolerance:
    """What the file may differ by from torch.

    Attributes:
        absolute, relative: a number passes up to absolute + relative * (greatest magnitude of that output).
        root_mean_square: where given, an output passes by this instead: |found - torch| / |torch|, lengths of the whole
            output as vectors. For lower precisions, whose single numbers may be far off where the result is not.
        min_agreement: share of inputs that must get the same label, between 0 and 1.
    """

    absolute: float = ABSOLUTE
    relative: float = RELATIVE
    root_mean_square: float | None = None
    min_agreement: float | None = None


STRICT = Tolerance()
"""What a float32 file may differ by."""
