"""Two hundred files that were damaged or made to harm: each ends with an exit code and a message, stores all or
nothing, and shows nothing of its content.
"""

from __future__ import annotations

import ast
import random
import re
import shutil
import sys
import time
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from data.errors import HeedError
from data.import_cases import import_file
from data.mapping import find_mapping
from data.store import Store
from service import cli
from tests.support.exports import contents
from tests.support.hostile import WAYS, Good, as_csv

FILES = 200
# In the default suite: every eighth, so that all kinds of damage are among them.
QUICK = range(0, FILES, 8)
ROWS = 60
REPOSITORY = Path(__file__).parents[2]
REAL_DATA = REPOSITORY.parent / "shared" / "data"
REAL = {
    "boston": "boston_311_2011h2.parquet",
    "stlouis": "stlouis_csb_2018_01.parquet",
    "chicago_sanitation": "chicago_sanitation_2011_2014.parquet",
}


def simulated(mapping: str) -> pd.DataFrame:
    """Rows for the columns of a mapping where its real export is not on this machine."""
    spoken = find_mapping(mapping)
    rng = random.Random(mapping)  # noqa: S311
    columns = {}
    for name, column in spoken.columns.items():
        field = spoken.fields[column.field]
        if field.name == "reference":
            columns[name] = [f"1010002{place:05}" for place in range(ROWS)]
        elif field.type == "time":
            day = {"opened_at": 1, "due_at": 20, "closed_at": 9}.get(field.name, 28)
            columns[name] = [f"2011-{7 + place % 5:02}-{day:02} 09:{place:02}:00" for place in range(ROWS)]
        elif column.vocabulary is not None:
            closed = [word for word, ours in spoken.vocabulary[column.vocabulary].values.items() if ours != "open"]
            columns[name] = [rng.choice(closed) for _ in range(ROWS)]
        else:
            columns[name] = [f"{name} Quux{rng.randrange(7)}" for _ in range(ROWS)]
    columns |= {name: [f"Left out {name} {place}" for place in range(ROWS)] for name in spoken.leave_out}
    return pd.DataFrame(columns)


@cache
def good_table(mapping: str) -> Good:
    """The first rows of a real export as text, or simulated ones."""
    real = REAL_DATA / REAL[mapping]
    frame = pd.read_parquet(real).head(ROWS) if real.exists() else simulated(mapping)
    text = frame.astype("str").where(frame.notna(), "")
    spoken = find_mapping(mapping)
    fields = {name: spoken.fields[column.field] for name, column in spoken.columns.items() if name in text}
    return Good(
        mapping=mapping,
        names=[str(name) for name in text.columns],
        rows=text.to_numpy().tolist(),
        times=[name for name, field in fields.items() if field.type == "time"],
        codes=[name for name, field in fields.items() if field.type in ("code", "vocabulary")],
        reference=spoken.column_of["reference"],
    )


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A store that holds the good files already, and what it holds."""
    folder = tmp_path_factory.mktemp("hostile")
    with Store.open(str(folder / "heed.db"), create=True) as store:
        for mapping in REAL:
            good = good_table(mapping)
            (folder / "good.csv").write_bytes(as_csv(good.names, good.rows))
            import_file(store, folder / "good.csv", mapping)
        held = contents(store)
    return folder / "heed.db", held


@cache
def our_words() -> str:
    """Every text that our own code may print: what is in it is no content of a file."""
    words = []
    for folder in ("data", "service/cli"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            documented = {
                ast.get_docstring(node, clean=False)
                for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            }
            texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
            words += [text for text in texts if isinstance(text, str) and text not in documented]
    return "\n".join(words)


def shown(text: str, values: set[str], names: set[str]) -> list[str]:
    """Values longer than three characters that stand in `text` as words of their own, and are not ours to say."""
    found = []
    for value in values:
        short = len(value.strip()) <= 3 or (value.isdigit() and len(value) <= 4)
        if short or value in names or value in our_words() or value not in text:
            continue
        if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text):
            found.append(value)
    return found


def bad_file(number: int, folder: Path) -> tuple[Path, str, set[str], set[str]]:
    """The file of that number, its mapping, the values in it and the names that may be shown."""
    make = WAYS[number % len(WAYS)]
    rng = random.Random(number)  # noqa: S311
    good = good_table(list(REAL)[number % len(REAL)])
    bad = make(good, rng)
    path = folder / f"file{bad.ending}"
    path.write_bytes(bad.content)
    mapping = "xes_example" if make.__name__.startswith("xes_") else good.mapping
    spoken = find_mapping(mapping)
    names = {*good.names, *spoken.columns, *spoken.leave_out, *spoken.vocabulary}
    return path, mapping, good.values() | bad.secrets, names


def check(number: int, before, tmp_path: Path, monkeypatch, capsys) -> None:
    """Import one file through the command, and hold it against the law."""
    stored, held = before
    database = tmp_path / "heed.db"
    shutil.copy(stored, database)
    path, mapping, values, names = bad_file(number, tmp_path)
    make = WAYS[number % len(WAYS)].__name__
    arguments = ["heed", "--store", str(database), "import", str(path), "--mapping", mapping]
    monkeypatch.setattr(sys, "argv", arguments + (["--json"] if number % 5 == 0 else []))
    started = time.monotonic()
    try:
        cli.main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    except HeedError as error:
        pytest.fail(f"{make}: {type(error).__name__} came out of main")
    took = time.monotonic() - started
    told = capsys.readouterr()
    text = told.out + told.err
    assert code in (0, 1, 3), (make, code, text)
    assert "Traceback" not in text, (make, text)
    assert (code == 0) == (told.err.strip() == ""), (make, code, text)
    # Where nothing is refused the newest moment of the file is told, as the moment of the export.
    dates = {value for value in values if re.match(r"\d{4}-\d\d-\d\d", value)} if code == 0 else set()
    assert shown(text, values - dates, names) == [], (make, text)
    assert len(text) < 20_000, make
    left = {item.name for item in tmp_path.iterdir()} - {"heed.db", "heed.db-wal", "heed.db-shm", path.name}
    assert left == set(), make
    assert took < 30, (make, took)
    if code != 0:
        with Store.open(str(database)) as store:
            assert all(was.equals(now) for was, now in zip(held, contents(store), strict=True)), make


@pytest.mark.parametrize("number", QUICK)
def test_a_hostile_file_is_refused_whole_or_read_whole_and_never_shown(number, before, tmp_path, monkeypatch, capsys):
    """Exit code 0, 1 or 3; no traceback; the store as before unless 0; no value of the file in what is printed."""
    check(number, before, tmp_path, monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("number", [number for number in range(FILES) if number not in QUICK])
def test_all_hostile_files(number, before, tmp_path, monkeypatch, capsys):
    """The same law for the rest of the two hundred."""
    check(number, before, tmp_path, monkeypatch, capsys)


def test_every_way_is_documented_and_the_quick_ones_are_of_all_kinds():
    """What was done to a file can be read; CSV, Parquet, JSON, workbooks and logs are among the quick ones."""
    assert len(WAYS) >= 60
    assert all(make.__doc__ for make in WAYS)
    quick = {WAYS[number % len(WAYS)].__name__.split("_")[0] for number in QUICK}
    assert {"parquet", "json", "xlsx", "xes"} <= quick


def test_the_law_would_see_a_value_that_is_shown():
    """The check is no check if it cannot fail."""
    assert shown("row 7: got 'Quux Street 9'", {"Quux Street 9"}, set()) == ["Quux Street 9"]
    assert shown("column 'status': the value is not in", {"status", "is not in"}, {"status"}) == []
    assert shown("2011 rows", {"2011"}, set()) == []


def test_the_good_files_are_good(tmp_path):
    """What the ways start from can be imported; otherwise every refusal would prove nothing."""
    with Store.open(str(tmp_path / "heed.db"), create=True) as store:
        for mapping in REAL:
            good = good_table(mapping)
            (tmp_path / "good.csv").write_bytes(as_csv(good.names, good.rows))
            assert import_file(store, tmp_path / "good.csv", mapping).events_added > ROWS
