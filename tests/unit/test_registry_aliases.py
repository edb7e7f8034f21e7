"""Aliases: one thing in use at a time, nobody overrun unseen, and everything told."""

from __future__ import annotations

import errno
import json
import os

import pytest

from data.errors import ModelError, UsageError
from models.registry import CHALLENGER, CHAMPION, PREVIOUS, SHADOW, Registry
from models.registry.verify import verify


def model(number: int) -> dict[str, bytes]:
    return {"booster.txt": f"tree {number}".encode(), "model.json": b'{"features": []}'}


@pytest.fixture
def registry(tmp_path):
    """A registry whose clock strikes a second at every look."""
    seconds = iter(range(1_700_000_000, 1_800_000_000))
    return Registry(tmp_path / "models", clock=lambda: next(seconds))


@pytest.fixture
def versions(registry):
    return [registry.save("late", model(number)) for number in range(4)]


def test_a_promotion_that_expects_another_champion_changes_nothing(registry, versions):
    """Who decided by an old list is told so."""
    registry.promote("late", versions[0], expected=None)
    registry.promote("late", versions[1], expected=versions[0])
    with pytest.raises(ModelError, match=f"Expected {versions[0]} to be the champion of 'late', and it is"):
        registry.promote("late", versions[2], expected=versions[0])
    with pytest.raises(ModelError, match="Expected no version to be the champion"):
        registry.promote("late", versions[2], expected=None)
    assert registry.champion("late") == versions[1]
    assert [entry.version for entry in registry.history() if entry.action == "promoted"] == versions[:2]


def test_a_rollback_can_expect_a_champion_too(registry, versions):
    """Two people who see the same trouble go back once, not forth again."""
    registry.promote("late", versions[0])
    registry.promote("late", versions[1])
    assert registry.rollback("late", expected=versions[1]) == versions[0]
    with pytest.raises(ModelError, match="somebody else has promoted meanwhile"):
        registry.rollback("late", expected=versions[1])
    assert registry.champion("late") == versions[0]


def test_the_three_aliases_stand_beside_each_other(registry, versions):
    """In use, next in line, scored beside; and what is put to use is next in line no more."""
    for alias, version in zip((CHAMPION, CHALLENGER, SHADOW), versions, strict=False):
        registry.promote("late", version, alias=alias)
    assert registry.aliases()["late"] == {CHAMPION: versions[0], CHALLENGER: versions[1], SHADOW: versions[2]}
    assert registry.promote("late", versions[1]) == versions[0]
    assert registry.aliases()["late"] == {CHAMPION: versions[1], PREVIOUS: versions[0], SHADOW: versions[2]}


@pytest.mark.parametrize("alias", [PREVIOUS, "best", ""])
def test_no_other_alias_can_be_set(registry, versions, alias):
    """What a rollback goes back to is the registry's own affair."""
    with pytest.raises(UsageError, match="Expected one of champion, challenger, shadow"):
        registry.promote("late", versions[0], alias=alias)


def test_a_version_of_another_model_is_not_promoted(registry, versions):
    """A model for reopenings answers no question about lateness."""
    with pytest.raises(UsageError, match="is no model for 'reopened'"):
        registry.promote("reopened", versions[0])


def test_the_history_tells_when_what_from_where_and_why(registry, versions):
    """Every act is a line, in order, and promotions are numbered."""
    registry.promote("late", versions[0], reason="first")
    registry.promote("late", versions[1], reason="better")
    registry.rollback("late", reason="worse in the north")
    acts = [entry for entry in registry.history() if entry.action != "saved"]
    assert [(one.action, one.version, one.before, one.reason, one.serial) for one in acts] == [
        ("promoted", versions[0], None, "first", 1),
        ("promoted", versions[1], versions[0], "better", 2),
        ("rolled_back", versions[0], versions[1], "worse in the north", 3),
    ]
    assert [one.when for one in acts] == sorted(one.when for one in acts)
    assert sum(entry.action == "saved" for entry in registry.history()) == 4


def test_promoting_what_is_in_use_is_no_event(registry, versions):
    """Nothing changed, so nothing is told, and the way back stays open."""
    registry.promote("late", versions[0])
    registry.promote("late", versions[1])
    told = registry.history()
    assert registry.promote("late", versions[1]) == versions[1]
    assert registry.history() == told
    assert registry.alias("late", PREVIOUS) == versions[0]


def test_a_line_that_a_crash_cut_off_is_left_out_and_overwritten(registry, versions):
    """The next act stands on a line of its own."""
    registry.promote("late", versions[0])
    path = registry.folder / "history.jsonl"
    path.write_bytes(path.read_bytes() + b'{"when": 1, "act')
    before = registry.history()
    registry.promote("late", versions[1])
    assert registry.history()[:-1] == before
    assert path.read_bytes().endswith(b"}\n")


def test_a_promotion_that_could_not_be_told_is_told_later(registry, versions):
    """The newest entry stands in the aliases too; the history shows it, and the next writer appends it."""
    registry.promote("late", versions[0])
    path = registry.folder / "history.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert registry.history()[-1].version == versions[0]
    registry.promote("late", versions[1])
    promoted = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [one["serial"] for one in promoted if one["action"] == "promoted"] == [1, 2]


def test_a_line_that_says_nothing_is_told_by_its_number(registry, versions):
    """A damaged history is not taken for a shorter one."""
    path = registry.folder / "history.jsonl"
    path.write_bytes(path.read_bytes() + b"not json\n")
    with pytest.raises(ModelError, match=r"history\.jsonl, line 5: cannot be read"):
        registry.history()


def test_aliases_of_the_first_format_are_still_read(registry, versions):
    """A flat object, as it used to be written, with null for none."""
    old = {"late": {"champion": versions[1], "previous": None}}
    (registry.folder / "aliases.json").write_text(json.dumps(old))
    assert registry.champion("late") == versions[1]
    registry.promote("late", versions[2])
    assert registry.rollback("late") == versions[1]


def test_a_full_disk_leaves_everything_as_it_was(registry, versions, monkeypatch):
    """Whichever write fails: no half version, no half promotion, and nothing lying about."""
    registry.promote("late", versions[0])
    held, real = registry.aliases(), os.fsync
    said: list[str] = []

    def full_at(number):
        calls = iter(range(1000))

        def fsync(file):
            if next(calls) == number:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(file)

        return fsync

    for number in range(12):
        monkeypatch.setattr(os, "fsync", full_at(number))
        try:
            registry.save("late", model(100 + number))
        except ModelError as error:
            said.append(str(error))
        # The folder's own name may be there already when its last sync fails; half a version never is.
        assert all(one.problem is None for one in verify(registry))
        try:
            registry.promote("late", versions[1], expected=versions[0])
            registry.promote("late", versions[0], expected=versions[1])
        except ModelError as error:
            said.append(str(error))
        monkeypatch.setattr(os, "fsync", real)
        assert {path.name for path in registry.folder.glob(".new-*")} == set()
        if registry.champion("late") != versions[0]:
            registry.promote("late", versions[0])
    assert len(said) >= 8
    assert all("space" in text for text in said)
    assert registry.aliases()["late"][CHAMPION] == held["late"][CHAMPION]
    assert all(one.problem is None for one in verify(registry))


def test_pruning_keeps_the_newest_and_whatever_has_an_alias(registry, versions):
    """Age never takes away what is in use, next in line, or kept for a rollback."""
    registry.promote("late", versions[0])
    registry.promote("late", versions[1])
    more = [registry.save("late", model(number)) for number in range(10, 14)]
    other = registry.save("reopened", model(1))
    assert registry.prune(keep=2, name="late", dry_run=True) == sorted([*versions[2:], *more[:2]])
    assert len(registry.versions("late")) == 8
    assert registry.prune(keep=2, name="late") == sorted([*versions[2:], *more[:2]])
    assert registry.versions("late") == sorted([*versions[:2], *more[2:]])
    assert registry.versions("reopened") == [other]
    assert registry.rollback("late") == versions[0]
    assert registry.prune(keep=0) == sorted([*more[2:], other])
    assert registry.versions() == sorted(versions[:2])


def test_pruning_refuses_what_it_cannot_know(registry, versions):
    """With damaged aliases nothing is known to be free."""
    with pytest.raises(UsageError, match="--keep: expected 0 or more"):
        registry.prune(keep=-1)
    (registry.folder / "aliases.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        registry.prune(keep=0)
    assert registry.versions() == sorted(versions)


def test_a_damaged_version_is_not_put_to_use(registry, versions):
    """Hashes are checked at promotion, and again at the start of a service."""
    registry.promote("late", versions[0])
    registry.require_in_use()
    (registry.folder / versions[1] / "booster.txt").write_bytes(b"x")
    with pytest.raises(ModelError, match="SHA-256"):
        registry.promote("late", versions[1])
    (registry.folder / versions[0] / "booster.txt").write_bytes(b"x")
    with pytest.raises(ModelError, match="SHA-256"):
        registry.require_in_use()


def test_verifying_finds_what_is_wrong_and_only_that(registry, versions):
    """A changed file, a lost manifest, a stranger's file, a lost version: each by its own words."""
    registry.promote("late", versions[0])
    assert [one.problem for one in verify(registry)] == [None] * 6
    (registry.folder / versions[0] / "stray.txt").write_bytes(b"x")
    (registry.folder / versions[1] / "model.json").write_bytes(b"x")
    (registry.folder / versions[2] / "manifest.json").unlink()
    found = {one.name: one.problem for one in verify(registry)}
    assert "stray.txt: not in the manifest" in found[versions[0]]
    assert "SHA-256" in found[versions[1]]
    assert "manifest.json: missing" in found[versions[2]]
    assert found[versions[3]] is None
    assert found["aliases.json"] is None
    (registry.folder / versions[0]).rename(registry.folder / "gone")
    found = {one.name: one.problem for one in verify(registry)}
    assert f"late's champion ({versions[0]}) is not" in found["aliases.json"]


def test_what_a_killed_writer_left_is_swept_by_the_next(registry, versions):
    """Whoever holds the lock knows that nobody is at it."""
    (registry.folder / ".new-late-000000000000-1-1").mkdir()
    (registry.folder / ".new-late-000000000000-1-1" / "booster.txt").write_bytes(b"half")
    (registry.folder / ".new-aliases.json-1-1").write_bytes(b"half")
    (registry.folder / versions[0] / ".new-signatures.json-1-1").write_bytes(b"half")
    assert registry.versions() == sorted(versions)
    assert all(one.problem is None for one in verify(registry))
    registry.save("late", model(9))
    assert not list(registry.folder.rglob(".new-*"))


def test_a_folder_that_is_none_is_told(tmp_path):
    """The message names the folder and not the rest of the machine."""
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ModelError, match="models: could not be written to"):
        Registry(tmp_path / "models").save("late", model(1))
