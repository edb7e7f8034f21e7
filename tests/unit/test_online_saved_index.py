"""The index of a scoring in a folder: whole or not there, named by what it holds, the newest two kept."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from data.errors import FileFormatError, StoreError
from features.event_index import EventIndex
from features.facts import facts_from_events
from features.terms import Term
from service.online import saved_index
from service.online.saved_index import About, newest_index, open_index, save_index
from tests.support.law_logs import log_of

ABOUT = About(as_of=1_700_000_000, time_zone="Asia/Shanghai", standards=(), model_version="failures-0123456789ab")
TERM = Term("arrivals", "n", ("office",))


def index_of(seed: int) -> EventIndex:

    log = log_of(seed)
    return EventIndex.build(facts_from_events(log.events, None, log.observed_until), [TERM])


def about(as_of: int) -> About:
    return About(as_of, ABOUT.time_zone, ABOUT.standards, ABOUT.model_version)


def test_what_was_saved_is_opened(tmp_path):
    """The same arrays, mapped from files, with what goes with them."""
    index = index_of(1)
    name = save_index(tmp_path / "new", index, ABOUT)
    found = open_index(tmp_path / "new", name)
    assert newest_index(tmp_path / "new") == name
    assert found.about == ABOUT
    assert found.calendar is None
    before, after = (one.segments[0].sorted_facts("arrivals", ("office",)).packed for one in (index, found.index))
    np.testing.assert_array_equal(before, after)


def test_the_same_twice_is_one_folder(tmp_path):
    """Its name is a hash of what it holds; nothing unfinished is left beside it."""
    first, again = save_index(tmp_path, index_of(1), ABOUT), save_index(tmp_path, index_of(1), ABOUT)
    assert first == again
    assert [path.name for path in tmp_path.iterdir()] == [first]
    assert save_index(tmp_path, index_of(2), ABOUT) != first


def test_the_latest_moment_is_the_newest_and_two_are_kept(tmp_path):
    """Whatever the order of saving; of one moment, what was saved last."""
    names = [save_index(tmp_path, index_of(1), about(as_of)) for as_of in (300, 100, 200)]
    assert newest_index(tmp_path) == names[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([names[0], names[2]])
    later = save_index(tmp_path, index_of(2), about(300))
    os.utime(tmp_path / names[0] / "scoring.json", ns=(0, 0))
    assert newest_index(tmp_path) == later


def test_one_that_was_let_go_stays_readable_where_it_is_open(tmp_path):
    """Its arrays are mapped: who works with it works on."""
    name = save_index(tmp_path, index_of(1), about(100))
    held = open_index(tmp_path, name)
    for as_of in (200, 300):
        save_index(tmp_path, index_of(1), about(as_of))
    assert not (tmp_path / name).exists()
    facts = held.index.segments[0].sorted_facts("arrivals", ("office",))
    assert int(facts.packed.sum()) > 0


def test_there_is_none_yet(tmp_path):
    """No folder, or one with something else in it."""
    assert newest_index(tmp_path / "nowhere") is None
    (tmp_path / "notes").mkdir()
    (tmp_path / "123-abc").mkdir()
    assert newest_index(tmp_path) is None


def _cut(home: Path) -> None:
    array = next(home.rglob("*.packed.npy"))
    array.write_bytes(array.read_bytes()[:-8])


def _flip(home: Path) -> None:
    array = next(home.rglob("*.packed.npy"))
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)


def _lie(home: Path) -> None:
    file = home / "scoring.json"
    file.write_text(file.read_text().replace("1700000000", "1700000001"))


@pytest.mark.parametrize("damage", [_cut, _flip, _lie])
def test_what_is_not_what_was_saved_is_refused(tmp_path, damage):
    """One bit is enough, and so is another moment."""
    name = save_index(tmp_path, index_of(1), ABOUT)
    damage(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"the event index is damaged\. Make it anew: `heed score`"):
        open_index(tmp_path, name)


def test_one_that_is_gone_is_refused(tmp_path):
    """It was let go between the look and the opening."""
    with pytest.raises(FileFormatError, match="damaged"):
        open_index(tmp_path, "100-0123456789abcdef")


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    """It says what is stored and what to do."""

    def full(_index: EventIndex, folder: Path) -> None:
        (folder / "index.json").write_text("{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(EventIndex, "save", full)
    with pytest.raises(StoreError, match=r"The risks are stored\. Make room there, or name another folder"):
        save_index(tmp_path, index_of(1), ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_what_was_abandoned_is_cleared_away(tmp_path):
    """Left by a process that died; not what another one is writing just now."""
    old, young = (tmp_path / f"{saved_index._UNFINISHED}{name}" for name in ("old", "young"))
    old.mkdir(parents=True)
    young.mkdir()
    os.utime(old, (0, 0))
    save_index(tmp_path, index_of(1), ABOUT)
    assert not old.exists()
    assert young.exists()
