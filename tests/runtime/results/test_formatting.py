"""Results as text and as CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from runtime.errors import InputError
from runtime.picture_index import Neighbours, neighbour_text
from runtime.results import Classification, Dense, Embedding, Failure, Multilabel, Prediction, Regression
from runtime.results.formatting import prediction_rows, prediction_text

LABELS = ("a", 'b, "c"', "d")


def classified(source: str | None, *probabilities: float) -> Classification:
    values = np.array(probabilities, np.float32)
    best = int(values.argmax())
    return Classification(LABELS[best], best, float(values[best]), values, LABELS, source)


FAILED = Failure("x.png", InputError("broken"))
CLASSES: list[Prediction] = [classified("1,2.png", 0.1, 0.7, 0.2), FAILED, classified(None, 0.5, 0.3, 0.2)]
VALUES: list[Prediction] = [Regression(np.array([1 / 3, 1e9], np.float32), ("t", "u")), FAILED]


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text), strict=True))


def test_csv_of_classes_has_as_many_columns_as_classes_asked_for_and_exact_numbers() -> None:
    header, first, second = read(prediction_rows(CLASSES, 2))
    assert header == ["input", "label", "probability", "label_2", "probability_2"]
    assert first[:2] + first[3:4] == ["1,2.png", 'b, "c"', "d"]
    assert [np.float32(cell) for cell in first[2::2]] == [np.float32(0.7), np.float32(0.2)]
    assert second[0] == "row 3"
    assert read(prediction_rows(CLASSES, 99))[0][-1] == "probability_3"
    assert read(prediction_rows(CLASSES, 1))[0] == ["input", "label", "probability"]


def test_csv_of_values_is_named_by_the_targets_and_exact() -> None:
    header, row = read(prediction_rows(VALUES, 5))
    assert header == ["input", "t", "u"]
    assert row[0] == "row 1"
    assert [np.float32(cell) for cell in row[1:]] == [np.float32(1 / 3), np.float32(1e9)]


def test_text_lists_the_label_and_the_next_classes() -> None:
    lines = prediction_text(CLASSES, 2).splitlines()
    assert lines[0].split() == ["input", "label", "probability", "then"]
    assert lines[2].split("  ")[0] == "1,2.png"
    assert lines[2].endswith("0.7000       d 0.200")
    assert lines[3].startswith("row 3")
    assert len(lines) == 4
    assert prediction_text(VALUES, 5).splitlines()[2].split() == ["row", "1", "0.333333", "1e+09"]


def test_several_labels_are_listed_with_their_probabilities() -> None:
    results: list[Prediction] = [
        Multilabel(np.array([0.9, 0.25, 0.75], np.float32), LABELS, "x"),
        FAILED,
        Multilabel(np.array([0.5, 0.25, 0.125], np.float32), LABELS),
    ]
    lines = prediction_text(results, 1).splitlines()
    assert lines[0].split("  ")[0] == "input"
    assert lines[2].split() == ["x", "a", "0.900", "d", "0.750", "a", "0.900"]
    assert lines[3].split() == ["row", "3", "none", "a", "0.500"]
    header, first, second = read(prediction_rows(results, 1))
    assert header == ["input", *LABELS]
    assert first[0] == "x"
    assert [float(cell) for cell in second[1:]] == [0.5, 0.25, 0.125]


def test_a_class_at_each_position_is_told_by_its_shares() -> None:
    results: list[Prediction] = [Dense(np.array([[0, 0], [0, 2]]), np.ones((2, 2), np.float32), LABELS, "x")]
    assert prediction_text(results, 5).splitlines()[2].split() == ["x", "2", "x", "2", "a", "75.0%", "d", "25.0%"]
    assert read(prediction_rows(results, 5)) == [["input", *LABELS], ["x", "0.75", "0.0", "0.25"]]


def test_an_embedding_is_written_number_by_number() -> None:
    results: list[Prediction] = [Embedding(np.array([1, 0.5, 0.25, 2, 3], np.float32))]
    assert prediction_text(results, 5).splitlines()[2].split() == ["row", "1", "5", "1", "0.5", "0.25", "2", "..."]
    assert read(prediction_rows(results, 5)) == [
        ["input", "d0", "d1", "d2", "d3", "d4"],
        ["row 1", "1.0", "0.5", "0.25", "2.0", "3.0"],
    ]


def test_a_text_is_its_own_source_on_one_line_and_whole_in_csv() -> None:
    text = "one\ntwo " + "x" * 300
    results: list[Prediction] = [classified(text, 0.1, 0.7, 0.2)]
    assert prediction_text(results, 1).splitlines()[2].startswith("one two xxx")
    assert len(prediction_text(results, 1).splitlines()) == 3
    assert read(prediction_rows(results, 1))[1][0] == text


@pytest.mark.parametrize("results", [[], [FAILED]])
def test_where_nothing_could_be_predicted_the_csv_is_empty_and_the_text_says_so(results: list[Prediction]) -> None:
    assert prediction_rows(results, 5) == ""
    assert prediction_text(results, 5) == "nothing could be predicted"


def test_neighbours_are_one_table_a_query() -> None:
    found = [
        Neighbours("q.png", ("a.png", "b.png"), (1.0, 0.5), (None, "/b.png")),
        Neighbours("r.png", (), (), ()),
    ]
    first, second = neighbour_text(found).split("\n\n")
    assert first.splitlines()[0] == "q.png"
    assert [line.split() for line in first.splitlines()[3:]] == [["1", "1.0000", "a.png"], ["2", "0.5000", "b.png"]]
    assert second.splitlines()[0] == "r.png"
