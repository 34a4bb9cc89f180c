"""What is particular to a kind of input stands in the modules of the kinds: no other file asks a card which kind it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from exporters.inputs import kind_of
from runtime.card import ArrayInput, ImageInput, InputCard, SequenceInput, TableInput, TextInput
from runtime.preprocess.kinds import preprocessor_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("runtime", "toolkit", "exporters")
CLASSES = {"ImageInput", "TableInput", "TextInput", "SequenceInput", "ArrayInput"}
NAMES = {"image", "table", "text", "sequence", "array"}
# The kinds' own modules.
OWN = (
    *(f"runtime/card/{name}_input.py" for name in sorted(NAMES)),
    *(f"runtime/preprocess/kinds/{name}.py" for name in sorted(NAMES)),
    *(f"exporters/inputs/{name}.py" for name in sorted(NAMES)),
)
CARDS: tuple[InputCard, ...] = (
    ImageInput("x", "RGB", (8, 8)),
    TableInput("x", ("a", "b")),
    TextInput("x", ("a", "b"), 3),
    SequenceInput("x", 2, 4),
    ArrayInput("x", (3,)),
)


def _attributes(node: ast.AST) -> set[str]:
    return {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def _names(node: ast.AST) -> set[str]:
    """Names and last parts of dotted names anywhere in an expression."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} | _attributes(node)


def _texts(node: ast.AST) -> set[object]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}


def asks_for_a_kind(source: str) -> list[int]:
    """Lines that ask a card which kind it is."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.expr | ast.stmt) and (_tests_the_class(node) or _tests_the_name(node))
    ]


def _tests_the_class(node: ast.AST) -> bool:
    """Test for isinstance, a comparison or a match with one of the classes."""
    if isinstance(node, ast.Call):
        asks = isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass")
        return asks and any(_names(argument) & CLASSES for argument in node.args[1:])
    if isinstance(node, ast.Match):
        return any(_names(case.pattern) & CLASSES for case in node.cases)
    return isinstance(node, ast.Compare) and bool(_names(node) & CLASSES)


def _tests_the_name(node: ast.AST) -> bool:
    """Test for a comparison or a match of `.kind`, or a mapping from the names of several kinds."""
    if isinstance(node, ast.Dict):
        return len({key.value for key in node.keys if isinstance(key, ast.Constant)} & NAMES) > 1
    if isinstance(node, ast.Match):
        return "kind" in _attributes(node.subject)
    return isinstance(node, ast.Compare) and "kind" in _attributes(node) and bool(_texts(node) & NAMES)


def test_no_other_file_asks_a_card_for_its_kind() -> None:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    others = [path for path in files if path.relative_to(ROOT).as_posix() not in OWN]
    assert len(others) > 300
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in others
        for line in asks_for_a_kind(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(card, ImageInput)",
        "isinstance(card, TextInput | SequenceInput)",
        "isinstance(card, (runtime.card.TableInput, int))",
        "type(card) is ArrayInput",
        "kinds & {1} or TextInput in kinds",
        "entry.kind == 'text'",
        "[entry.kind for entry in card.inputs] != ['image']",
        "{'image': 1, 'text': 2}[entry.kind]",
        "match card:\n    case ImageInput():\n        pass",
        "match card.kind:\n    case 'image':\n        pass",
    ],
)
def test_a_question_for_the_kind_is_found(source: str) -> None:
    assert asks_for_a_kind(source)


@pytest.mark.parametrize(
    "source",
    ["isinstance(card, InputCard)", "kind == 'text'", "values.dtype.kind == 'f'", "ImageInput('x', 'RGB', (8, 8))"],
)
def test_other_questions_are_not(source: str) -> None:
    assert not asks_for_a_kind(source)


def test_the_modules_of_the_kinds_exist() -> None:
    assert [path for path in OWN if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.kind)
def test_every_kind_has_its_file_on_each_floor(card: InputCard) -> None:
    assert type(card).__module__ == f"runtime.card.{card.kind}_input"
    assert type(preprocessor_of(card)).__module__ == f"runtime.preprocess.kinds.{card.kind}"
    assert type(kind_of(card)).__module__ == f"exporters.inputs.{card.kind}"
