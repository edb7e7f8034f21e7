"""JSON Lines and arrays of objects: the columns of all objects, values as they are written, and what is refused."""

from __future__ import annotations

import json

import pytest

from data.errors import FileFormatError
from data.read import open_file


def written(path, text: str):
    path.write_text(text, encoding="utf-8")
    return path


def as_array(lines: list[str]) -> str:
    return "[\n" + ",\n".join(lines) + "\n]"


def both(tmp_path, lines: list[str]):
    """The same objects, one per line and as one array."""
    yield open_file(written(tmp_path / "a.jsonl", "\n".join(lines)))
    yield open_file(written(tmp_path / "a.json", as_array(lines)))
    yield open_file(written(tmp_path / "b.json", "[" + ",".join(lines) + "]  \n"))


def test_the_columns_are_those_of_all_objects(tmp_path):
    """An object may lack what others have, and bring what no other has."""
    for file in both(tmp_path, ['{"a": "1"}', '{"b": "2", "a": null}', '{"c": true, "a": false}']):
        assert file.columns == ("a", "b", "c")
        found = file.read(file.columns)
        assert found["a"].tolist()[::2] == ["1", "false"]
        assert found["b"].isna().tolist() == [True, False, True]
        assert found["c"].tolist()[2] == "true"


def test_numbers_stay_as_they_are_written(tmp_path):
    """A code 1.10 is not 1.1, and a number of twenty digits keeps all of them."""
    numbers = ["1.10", "12345678901234567890", "-0", "1e5", "0.1"]
    for file in both(tmp_path, [f'{{"a": {number}, "b": 1}}' for number in numbers]):
        assert file.read(["a"])["a"].tolist() == numbers


def test_what_is_no_number_is_null(tmp_path):
    """NaN, as some programs write it, says that there is no value."""
    for file in both(tmp_path, ['{"a": NaN, "b": 1}', '{"a": -Infinity, "b": 1}']):
        assert file.read(["a"])["a"].isna().all()


def test_an_array_may_be_longer_than_what_is_read_at_once(tmp_path):
    """Objects across the borders of the blocks are whole."""
    items = [{"case": str(n), "kind": "路灯" * (n % 50), "text": "x" * (n * 97 % 5000)} for n in range(300)]
    file = open_file(written(tmp_path / "a.json", json.dumps(items, ensure_ascii=False)))
    found = file.read(["case", "kind", "text"])
    assert found["case"].tolist() == [item["case"] for item in items]
    assert found["text"].fillna("").tolist() == [item["text"] for item in items]


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '[{"a": 1}, {"a": 2', "row 2: expected one JSON object.*the file is cut off"),
        ("a.json", '[{"a": 1}, {"a": 2}', "row 2: expected one JSON object.*the file is cut off"),
        ("a.json", '[{"a": 1} {"a": 2}]', "row 1: expected one JSON object.*the line is damaged"),
        ("a.json", '[{"a": 1}, ]', "row 2: expected one JSON object"),
        ("a.json", '[{"a": 1}] []', "after row 1: expected the end of the file after the array"),
        ("a.json", "[1, 2]", "row 1: expected one JSON object"),
        ("a.json", '[["a"], ["1"]]', "row 1: expected one JSON object"),
        ("a.json", '[{"a": ' + DEEP + "}]", "row 1: expected one JSON object.*the line is damaged"),
        ("a.jsonl", '{"a": ' + DEEP + "}", "row 1: expected one JSON object"),
        ("a.jsonl", '{"a": 1, "a": 2}', "row 1: the object names one of its values twice"),
        ("a.jsonl", '{"a": 1}\n{"": 2}', "column 2 of the header has no name"),
        ("a.jsonl", '{"a\\ud800": 1}', "row 1: the name of a value is no text"),
        ("a.jsonl", '{"13800138000": 1, "a": 2}', "in the place of name 1"),
        ("a.jsonl", '{"a": ' + "1" * 5000 + "}\n{", "row 2"),
    ],
)
def test_what_is_no_list_of_objects_is_refused(tmp_path, name, text, message):
    """Cut off, damaged, nested or nameless: the row is named."""
    with pytest.raises(FileFormatError, match=message):
        open_file(written(tmp_path / name, text))


@pytest.mark.parametrize("value", ["\\ud83d", "\\u0000"])
def test_characters_that_no_database_holds_are_refused_with_their_row(tmp_path, value):
    """Half of a pair and NUL are no text; the message does not show what stands around them."""
    for file in both(tmp_path, ['{"a": "x"}', f'{{"a": "secret{value}"}}']):
        with pytest.raises(
            FileFormatError, match="column 'a', row 2: expected text, got characters that no text"
        ) as info:
            file.read(["a"])
        assert "secret" not in str(info.value)


def test_objects_with_names_without_end_are_refused(tmp_path):
    """Each object with a name of its own is a table on its side."""
    lines = "\n".join(f'{{"n{n}": 1}}' for n in range(3000))
    with pytest.raises(FileFormatError, match="at most 2,000 columns, got 2,001"):
        open_file(written(tmp_path / "a.jsonl", lines))
