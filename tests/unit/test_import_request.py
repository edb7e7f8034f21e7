"""The very same import again is answered at once; anything else is not mistaken for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.import_cases import STEPS, import_file
from data.import_report import ImportReport
from data.import_request import request_sha256
from data.store import Store
from tests.support.exports import contents, town, write_csv

ROWS = [{}, {"closed": "", "due": "2059-12-31 19:00:00"}, {"snapshot": ""}]
OPTIONS = {"drop": [], "set_aside": [], "strict": False, "extracted_at": None, "sheet": None}


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


def test_the_very_same_request_reads_no_row(store, tmp_path):
    """The answer is the report of the first time, of an import that changed nothing."""
    path = write_csv(tmp_path / "a.csv", ROWS)
    first = import_file(store, path, town(), set_aside=["due_too_far"])
    before, steps = contents(store), []
    copy = path.rename(tmp_path / "renamed.csv")
    again = import_file(store, copy, town(), set_aside=["due_too_far"], progress=lambda *step: steps.append(step))
    assert steps == []
    assert again.import_id is None
    assert (again.events_added, again.events_known_already) == (0, first.events_added)
    assert (again.file, again.set_aside, again.snapshots) == ("renamed.csv", first.set_aside, first.snapshots)
    assert all(was.equals(now) for was, now in zip(before, contents(store), strict=True))


@pytest.mark.parametrize(
    "change",
    [
        {"drop": ["village"]},
        {"set_aside": ["due_too_far"]},
        {"strict": True},
        {"extracted_at": 1},
        {"sheet": "cases"},
    ],
)
def test_another_option_is_another_request(tmp_path, change):
    """Whatever could change the outcome changes the hash."""
    path = write_csv(tmp_path / "a.csv", ROWS)
    assert request_sha256(path, town(), **OPTIONS) == request_sha256(Path(str(path)), town(), **OPTIONS)
    assert request_sha256(path, town(), **OPTIONS) != request_sha256(path, town(), **{**OPTIONS, **change})


def test_another_file_or_mapping_is_another_request(store, tmp_path):
    """One more row, or one more word in the mapping, and the file is read."""
    path = write_csv(tmp_path / "a.csv", [{}, {}])
    other = write_csv(tmp_path / "b.csv", [{}, {}, {}])
    mapping = town(("[vocabulary.via.values]", '[vocabulary.via.values]\n"Post" = "mail"'))
    hashes = {request_sha256(file, read, **OPTIONS) for file in (path, other) for read in (town(), mapping)}
    assert len(hashes) == 4
    import_file(store, path, town())
    steps = []
    report = import_file(store, path, mapping, progress=lambda step, *_: steps.append(step))
    assert set(steps) == set(STEPS)
    assert (report.import_id, report.events_added) == (None, 0)


def test_a_refused_request_is_not_remembered(store, tmp_path):
    """What was refused left nothing behind, and is refused again."""
    from data.errors import RowError

    path = write_csv(tmp_path / "a.csv", [{"due": "2059-12-31 19:00:00"}])
    for _ in range(2):
        with pytest.raises(RowError):
            import_file(store, path, town())


def test_a_report_comes_back_from_json(store, tmp_path):
    """`to_dict`, JSON and `from_dict` lose nothing; the store keeps the figures of the end."""
    import json

    path = write_csv(tmp_path / "a.csv", ROWS)
    report = import_file(store, path, town(), set_aside=["due_too_far"])
    assert ImportReport.from_dict(json.loads(report.to_json())) == report
    assert ImportReport.from_dict(json.loads(store.imports()["report"].iloc[0])) == report
