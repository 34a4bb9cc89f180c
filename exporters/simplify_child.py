"""Run as a process of its own: simplify the ONNX file argv[1] into argv[2] under a memory limit of argv[3] bytes.

A file of 135 bytes can make a simplifier eat the machine; here it can only end this process.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Exit code 0 and a written file, or an exception's text on standard error."""
    source, target, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, ValueError, OSError):
        pass  # Windows has no such limit; the time limit of the parent remains
    import onnx
    import onnxsim

    simplified, agrees = onnxsim.simplify(onnx.load(source))
    if not agrees:
        raise SystemExit("onnxsim's own check found a difference")
    onnx.save(simplified, target)


if __name__ == "__main__":
    main()
