"""Table of runtimes and boards with the newest ONNX versions that each opens.

An operator set of ONNX has a version (opset), and so has the file format (IR); a runtime refuses what is newer than itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from runtime.errors import SpecError, suggest

__all__ = ["ONNXRUNTIME_RELEASES", "Release", "Target", "every_target", "find_target"]


@dataclass(frozen=True)
class Release:
    """One release of ONNX Runtime with its newest versions: operator set, IR, and ai.onnx.ml set."""

    opset: int
    ir_version: int
    ml_opset: int
    note: str = ""


@dataclass(frozen=True)
class Target:
    """Target of an export: a runtime or a board.

    Attributes:
        name: as it is asked for, such as "onnxruntime==1.13".
        opset: the newest version of ONNX's own operator set that it knows.
        ir_version: the newest version of the file format.
        source: where these figures come from.
        ml_opset: the newest version of the set ai.onnx.ml; 0 where it is not known to run any of it.
        oldest_opset: the oldest version of the operator set that it still takes.
        is_onnxruntime: whether it is ONNX Runtime, which has operators of its own (com.microsoft) besides.
        note: further remarks.
    """

    name: str
    opset: int
    ir_version: int
    source: str
    ml_opset: int = 0
    oldest_opset: int = 7
    is_onnxruntime: bool = False
    note: str = ""


# onnxruntime.ai/docs/reference/compatibility.html, and measured: benchmarks/old_runtimes.py installs the last patch of each
# release and lets it open and run a file of every version. Where the two differ, these are the measured ones.
ONNXRUNTIME_RELEASES: dict[tuple[int, int], Release] = {
    (1, 5): Release(12, 7, 2),
    (1, 6): Release(13, 7, 2, "int8 needs 1.7: there is no DequantizeLinear of int32 yet, which the biases are"),
    (1, 7): Release(13, 7, 2),
    (1, 8): Release(14, 7, 2),
    (1, 9): Release(15, 8, 2),
    (1, 10): Release(15, 8, 2),
    (1, 11): Release(16, 8, 3),
    (1, 12): Release(17, 8, 3),
    (1, 13): Release(17, 8, 3),
    (1, 14): Release(18, 8, 3),
    # 1.15 opens files of opset 19, but has neither Reshape nor Shape nor QuantizeLinear as 19 defines them.
    (1, 15): Release(18, 9, 3),
    (1, 16): Release(19, 9, 3),
    (1, 17): Release(20, 9, 4),
    (1, 18): Release(21, 10, 5),
    (1, 19): Release(21, 10, 5),
    (1, 20): Release(21, 10, 5),
    (1, 21): Release(22, 10, 5),
    (1, 22): Release(22, 10, 5),
    # 1.23 opens files of opset 23, but lacks its QuantizeLinear.
    (1, 23): Release(22, 11, 5),
    (1, 24): Release(25, 13, 5),
    (1, 25): Release(26, 13, 5),
    (1, 26): Release(26, 13, 5),
    (1, 27): Release(26, 13, 5),
    (1, 28): Release(26, 13, 5),
    (1, 29): Release(26, 13, 5),
    (1, 30): Release(26, 13, 5),
    (1, 31): Release(26, 13, 5),
}

_ONNXRUNTIME_SOURCE = "onnxruntime.ai/docs/reference/compatibility.html, measured on the released packages"

# Packages that are ONNX Runtime, built from the same source under the same version number.
_PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-web",
    "onnxruntime-node",
    "onnxruntime-android",
)

_TENSORRT = "onnx-tensorrt, docs/operators.md of that release"
_WINDOWS = "learn.microsoft.com/windows/ai/windows-ml/onnx-versions"

# The IR version is that of the ONNX release which brought the opset (onnx/docs/Versioning.md), where the source names none.
_OTHERS = (
    Target("tensorrt==7.2", 13, 7, _TENSORRT, oldest_opset=9),
    Target("tensorrt==8.2", 13, 7, _TENSORRT, oldest_opset=9),
    Target("tensorrt==8.4", 13, 7, _TENSORRT, oldest_opset=9),
    Target("tensorrt==8.5", 17, 8, _TENSORRT, oldest_opset=9),
    Target("tensorrt==8.6", 17, 8, _TENSORRT, oldest_opset=9),
    Target("tensorrt==10.15", 24, 12, _TENSORRT, oldest_opset=9),
    Target(
        "tensorrt==11",
        25,
        13,
        "docs.nvidia.com/deeplearning/tensorrt/latest/reference/onnx-opset-guide.html",
        oldest_opset=9,
    ),
    Target(
        "jetpack==4.6",
        13,
        7,
        "developer.nvidia.com/jetpack-sdk-461 (TensorRT 8.2); onnx-tensorrt 8.2, docs/operators.md",
        oldest_opset=9,
        note="through TensorRT 8.2",
    ),
    Target(
        "jetson-nano",
        13,
        7,
        "developer.nvidia.com/jetpack-sdk-461 (TensorRT 8.2); onnx-tensorrt 8.2, docs/operators.md",
        oldest_opset=9,
        note="JetPack 4.6.1 and later 4.6, through TensorRT 8.2",
    ),
    Target("windows-10-2004", 9, 4, _WINDOWS, note="Windows ML as built into Windows"),
    Target("windows-11", 12, 7, _WINDOWS, note="Windows ML as built into Windows"),
    Target("unity-sentis", 15, 8, "docs.unity3d.com/Packages/com.unity.sentis@latest"),
    Target(
        "rknn-toolkit2==1.6",
        19,
        9,
        "github.com/rockchip-linux/rknn-toolkit2/releases, v1.6.0",
        oldest_opset=12,
        note="Rockchip's converter for its NPUs",
    ),
    Target(
        "ppl.nn", 11, 6, "github.com/openppl-public/ppl.nn, docs/en/onnx-model-opset-convert-guide.md", oldest_opset=11
    ),
    Target(
        "ascend-cann==9.0",
        17,
        8,
        "hiascend.com, CANN 9.0 operator list: ONNX 1.12",
        note="ATC, Huawei's converter for its NPUs",
    ),
)

# Systems that bring one release of ONNX Runtime with them: name -> (release, where that is said).
_SYSTEMS = {
    "debian-13": ((1, 21), "packages.debian.org/trixie/libonnxruntime1.21"),
    "raspberry-pi-os-trixie": ((1, 21), "packages.debian.org/trixie/libonnxruntime1.21, the archive that 64-bit Raspberry Pi OS takes"),
    "ti-am62x": ((1, 7), "software-dl.ti.com/processor-sdk-linux/esd/AM62X, Machine Learning, SDK 8.3 to 10.0"),
}  # fmt: skip

_REQUIREMENT = re.compile(r"(?P<package>[a-z0-9.\-]+?)\s*(?P<sign>==|>=|~=)\s*(?P<version>\d+(?:\.\d+)*)")


def find_target(text: str) -> Target:
    """Find a target by name: "onnxruntime==1.13", "onnxruntime>=1.16", "onnxruntime" (the newest known), a board, a converter.

    `>=` means that release and every later one. The last number of "1.13.1" makes no difference: patches change no operators.

    Raises:
        SpecError: there is no such name, or the release is outside of the table.
    """
    asked = text.strip().lower()
    named = {target.name: target for target in every_target()}
    if asked in named:
        return named[asked]
    if asked in _PACKAGES:
        return replace(named[_release_name(max(ONNXRUNTIME_RELEASES))], name=asked)
    match = _REQUIREMENT.fullmatch(asked)
    if match and match["package"] in _PACKAGES:
        return _onnxruntime(asked, match["version"])
    if match and (close := named.get(f"{match['package']}=={_without_patch(match['version'])}")) is not None:
        return close
    raise SpecError(
        f"There is no target {text!r}.{suggest(asked, _near(asked, list(named)))} For any other, give the versions it takes by "
        f"hand: --opset N --ir-version N."
    )


def _near(asked: str, named: list[str]) -> list[str]:
    """Names for suggestions: those with the same beginning, else all, with few of ONNX Runtime's many releases."""
    names = [*named, *_PACKAGES]
    word = re.split(r"[^a-z]", asked)[0]
    alike = [name for name in names if word and name.startswith(word)]
    few = [name for name in names if not name.startswith("onnxruntime") or name in ("onnxruntime", "onnxruntime==1.16")]
    return alike or few


def every_target() -> tuple[Target, ...]:
    """List all named targets, ONNX Runtime's releases first."""
    releases = [_of_release(_release_name(version), version) for version in ONNXRUNTIME_RELEASES]
    systems = [
        replace(
            _of_release(name, version), source=f"{source}; {_ONNXRUNTIME_SOURCE}", note=f"with {_release_name(version)}"
        )
        for name, (version, source) in _SYSTEMS.items()
    ]
    return (*releases, *systems, *_OTHERS)


def _onnxruntime(asked: str, version: str) -> Target:
    numbers = [int(number) for number in version.split(".")]
    release = (numbers[0], numbers[1]) if len(numbers) > 1 else None
    if release in ONNXRUNTIME_RELEASES:
        return _of_release(asked.replace(" ", ""), release)
    first, last = (_release_name(choose(ONNXRUNTIME_RELEASES)) for choose in (min, max))
    raise SpecError(
        f"{asked!r} names no release of ONNX Runtime that is known here, which are {first} to {last}. Name one of them with its "
        f"first two numbers (a newer runtime opens what an older one does), or give --opset N --ir-version N by hand."
    )


def _of_release(name: str, version: tuple[int, int]) -> Target:
    release = ONNXRUNTIME_RELEASES[version]
    return Target(
        name,
        release.opset,
        release.ir_version,
        _ONNXRUNTIME_SOURCE,
        ml_opset=release.ml_opset,
        is_onnxruntime=True,
        note=release.note,
    )


def _release_name(version: tuple[int, int]) -> str:
    return f"onnxruntime=={version[0]}.{version[1]}"


def _without_patch(version: str) -> str:
    return ".".join(version.split(".")[:2])
