"""What the boundary refuses beside columns: names in a mapping, in a file name, words that no category may be."""

from __future__ import annotations

import json
import shutil

import pytest

from data.errors import BoundaryError, MappingError, PersonalDataError
from data.import_cases import import_file
from data.store import Store
from tests.support.exports import TOWN, log, town, write_csv, write_rows


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


def test_a_file_called_after_somebody_is_kept_under_another_name(store, tmp_path):
    """A telephone number in the name of a file is neither stored nor told."""
    named = tmp_path / "complaint 13800138000.csv"
    shutil.copy(write_csv(tmp_path / "a.csv", [{}]), named)
    told = import_file(store, named, town())
    run = store.imports().iloc[0]
    assert "13800138000" not in json.dumps(told.to_dict()) + run["file_name"] + run["report"]
    assert told.file == f"file-{told.file_sha256[:8]}.csv"
    assert import_file(store, write_csv(tmp_path / "b.csv", [{"number": "2"}]), town()).file == "b.csv"


def test_a_vocabulary_cannot_turn_codes_into_names():
    """Handlers do not come in by way of the mapping."""
    with pytest.raises(MappingError, match="one of its values looks like personal data"):
        town(
            (
                '[columns.unit]\nfield = "office"\nat = "end"',
                '[columns.unit]\nfield = "office"\nat = "end"\nvocabulary = "unit"',
            ),
            ("[closing]", '[vocabulary.unit.values]\n"O1" = "张建国"\n"O2" = "李秀英"\n"O3" = "王桂兰"\n[closing]'),
        )
    assert "[closing]" in TOWN


@pytest.mark.parametrize("word", ["上访", "Street protest", "维稳专项"])
def test_no_category_is_about_protest_or_stability(store, tmp_path, word):
    """Such a category is refused by row, without the word, and nothing is stored."""
    with pytest.raises(BoundaryError) as told:
        import_file(store, write_csv(tmp_path / "a.csv", [{}, {"kind": word}]), town())
    assert "column 'kind', row 2" in str(told.value)
    assert "petitioning, protest, stability, crime or conduct" in str(told.value)
    assert word not in str(told.value)
    assert store.read_events().empty


def test_a_value_for_each_case_is_no_code_in_however_many_rows(store, tmp_path):
    """Three events of a case with the case's own number in the category: refused as one row each would be."""
    rows = [
        {"case": str(n), "what": what, "at": f"2024-03-01 1{hour}:00:00", "type": f"{n * 7919 % 1000:03d}-x"}
        for n in range(300)
        for hour, what in enumerate(("opened", "replied", "closed"))
    ]
    with pytest.raises(PersonalDataError, match="column 'type', 900 rows: 1, 2, 3, 4, 5, …: looks like names, numbers"):
        import_file(store, write_rows(tmp_path / "log.csv", rows), log())
    assert store.read_events().empty
    few = [{**row, "type": row["type"][:1]} for row in rows]
    assert import_file(store, write_rows(tmp_path / "few.csv", few), log()).cases == 300
