"""Models on disk: named by content, checked before use, never unpickled."""

from __future__ import annotations

import json

import pytest

from data.errors import ModelError, UsageError
from models.registry import Registry

FILES = {"booster.txt": b"tree", "model.json": b'{"features": []}'}


def test_the_same_files_are_one_version_and_others_another(tmp_path):
    """A version is the hash of its contents."""
    registry = Registry(tmp_path)
    first = registry.save("late", FILES)
    assert registry.save("late", FILES) == first
    assert registry.save("late", {**FILES, "booster.txt": b"tree2"}) != first
    assert len(registry.versions("late")) == 2
    assert not list(tmp_path.glob(".new-*"))


@pytest.mark.parametrize("name", ["booster.txt", "model.json"])
def test_a_changed_file_is_refused_by_its_hash(tmp_path, name):
    """Nothing is parsed before its hash was right."""
    registry = Registry(tmp_path)
    version = registry.save("late", FILES)
    (tmp_path / version / name).write_bytes(b"something else")
    with pytest.raises(ModelError, match="its SHA-256 is not the one in the manifest"):
        registry.load(version)


def test_a_version_whose_manifest_was_rewritten_too_is_refused(tmp_path):
    """Contents cannot move into another version's name."""
    registry = Registry(tmp_path)
    version, other = registry.save("late", FILES), registry.save("late", {**FILES, "booster.txt": b"x"})
    for path in (tmp_path / other).iterdir():
        (tmp_path / version / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match="its contents belong to another version"):
        registry.load(version)


def test_a_missing_file_is_told(tmp_path):
    """A half-restored folder does not load."""
    registry = Registry(tmp_path)
    version = registry.save("late", FILES)
    (tmp_path / version / "booster.txt").unlink()
    with pytest.raises(ModelError, match=r"booster\.txt: missing"):
        registry.load(version)


def test_promoting_keeps_the_one_before_for_rollback(tmp_path):
    """One step back is always there, and back again."""
    registry = Registry(tmp_path)
    old, new = registry.save("late", FILES), registry.save("late", {**FILES, "booster.txt": b"x"})
    registry.promote("late", old)
    registry.promote("late", new)
    assert registry.champion("late") == new
    assert registry.rollback("late") == old
    assert registry.champion("late") == old
    assert registry.rollback("late") == new


def test_there_is_nothing_to_roll_back_to_at_first(tmp_path):
    """The first model has no predecessor."""
    registry = Registry(tmp_path)
    registry.promote("late", registry.save("late", FILES))
    with pytest.raises(UsageError, match="no earlier model for 'late'"):
        registry.rollback("late")


def test_an_unknown_version_is_told_with_those_there_are(tmp_path):
    """The remedy is in the message; a path is no version."""
    registry = Registry(tmp_path)
    version = registry.save("late", FILES)
    with pytest.raises(UsageError, match=f"There is: {version}"):
        registry.load("../../etc")


def test_damaged_aliases_are_told(tmp_path):
    """A broken alias file is not taken for an empty one."""
    registry = Registry(tmp_path)
    (tmp_path / "aliases.json").write_text(json.dumps(["late"]))
    with pytest.raises(ModelError, match="expected a JSON object"):
        registry.champion("late")
