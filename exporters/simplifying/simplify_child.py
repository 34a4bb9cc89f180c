"""Child process of the simplifier: simplify the ONNX file argv[2] into argv[3] by argv[1], onnxsim or onnxslim.

argv[4] is the address space in bytes that it may take, argv[5] the seconds of processor time: limits that hold also when
the process that started this one is gone.
"""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """Simplify as the arguments say: exit code 0 and a written file, or an exception's text on standard error."""
    simplifier, source, target, address_space, processor_seconds = sys.argv[1:]
    _limit("RLIMIT_AS", int(address_space))
    _limit("RLIMIT_CPU", int(processor_seconds))
    import onnx

    if simplifier == "onnxslim":
        import onnxslim

        simplified = onnxslim.slim(onnx.load(source))
    else:
        simplified, agrees = _onnxsim().simplify(onnx.load(source))
        if not agrees:
            raise SystemExit("its own check found a difference")
    onnx.save(simplified, target)


def _limit(name: str, value: int) -> None:
    try:
        import resource

        resource.setrlimit(getattr(resource, name), (value, value))
    except (ImportError, ValueError, OSError, AttributeError):
        pass  # Windows has no such limits; those of the parent remain


def _onnxsim() -> Any:
    """Import onnxsim without torch and sympy, which cost seconds and half a gigabyte for parts that are not used here."""
    left_out = ("torch", "sympy")
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import onnxsim
    except ImportError:  # a version that does need them
        for name in [name for name in sys.modules if name.partition(".")[0] in ("onnxsim", *left_out)]:
            del sys.modules[name]
        import onnxsim
    return onnxsim


if __name__ == "__main__":
    main()
