"""Bundles: several models of one training under one version, with names that lead nowhere else."""

from __future__ import annotations

import json

import pytest

from data.errors import BoundaryError, ModelError, UsageError
from models.registry import Registry
from models.registry import names as registry_names

SINGLE = {"booster.txt": b"tree", "model.json": b'{"features": []}'}
BUNDLE = {
    "card.json": b'{"taught": {"late": {"cases": 3}}}',
    "late/booster.txt": b"tree\nfeature_names=pace_office record_area\n",
    "late/model.json": b'{"outcome": "late", "features": ["pace_office"]}',
    "remaining_time/lower/quantile_0.025.txt": b"tree",
    "remaining_time/model.json": b'{"features": ["promised_hours"]}',
}


def test_a_bundle_is_one_version_of_named_parts(tmp_path):
    """What was saved together is read together, each part by its own names."""
    registry = Registry(tmp_path)
    version = registry.save("failures", BUNDLE)
    stored = registry.load(version)
    assert stored.files == BUNDLE
    assert stored.parts == ("late", "remaining_time")
    assert stored.part("late") == {
        "booster.txt": BUNDLE["late/booster.txt"],
        "model.json": BUNDLE["late/model.json"],
    }
    assert set(stored.part("remaining_time")) == {"lower/quantile_0.025.txt", "model.json"}
    assert stored.card == {"taught": {"late": {"cases": 3}}}
    assert stored.columns() == ("pace_office", "promised_hours", "record_area")


def test_what_describes_a_bundle_bears_its_card_and_its_features(tmp_path):
    """A description of the whole is read as one, and held against the boundary as one."""
    registry = Registry(tmp_path)
    whole = {"outcomes": ["late"], "features": ["backlog_area"], "card": {"lineage": 1}}
    files = {**BUNDLE, "bundle.json": json.dumps(whole).encode()}
    del files["card.json"]
    stored = registry.load(registry.save("failures", files))
    assert stored.description == whole
    assert stored.card == {"lineage": 1}
    assert "backlog_area" in stored.columns()
    whole["features"] = ["complainant_history"]
    files["bundle.json"] = json.dumps(whole).encode()
    with pytest.raises(BoundaryError, match="complainant_history"):
        registry.promote("failures", registry.save("failures", files))


def test_a_changed_part_is_another_version_of_the_whole(tmp_path):
    """Parts are promoted together, so they are named together."""
    registry = Registry(tmp_path)
    other = {**BUNDLE, "remaining_time/lower/quantile_0.025.txt": b"another"}
    assert registry.save("failures", BUNDLE) != registry.save("failures", other)


def test_the_same_bytes_under_another_name_are_another_version(tmp_path):
    """A file's name is part of what it says."""
    moved = {**BUNDLE, "other/booster.txt": BUNDLE["late/booster.txt"]}
    del moved["late/booster.txt"]
    registry = Registry(tmp_path)
    assert registry.save("failures", BUNDLE) != registry.save("failures", moved)


def test_a_part_that_is_not_there_is_told_with_those_that_are(tmp_path):
    """The message says what the version holds."""
    stored = Registry(tmp_path).load(Registry(tmp_path).save("failures", BUNDLE))
    with pytest.raises(ModelError, match="and it holds late, remaining_time"):
        stored.part("reopened")


@pytest.mark.parametrize(
    "name",
    [
        "../booster.txt",
        "/etc/passwd.txt",
        "late/../../x.json",
        "late//x.json",
        "Late/x.json",
        "late\\x.json",
        "late/x.pkl",
        "x.json\n",
        ".hidden.txt",
        "late/x..json",
        "late/x.0.1.json",
        "a/b/c/x.txt",
        "manifest.json",
        "signatures.json",
        "con.txt",
        "late/nul/x.json",
        "",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path, name):
    """No path of a file is made of what was not checked."""
    with pytest.raises(ModelError, match="Expected files called such as"):
        Registry(tmp_path).save("late", {**SINGLE, name: b"x"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "Late", "../late", "late-1", "con", "a" * 49])
def test_a_model_is_called_by_a_plain_word(tmp_path, name):
    """Its name begins that of a folder."""
    with pytest.raises(UsageError, match="as a lower-case word"):
        Registry(tmp_path).save(name, SINGLE)


def test_files_without_a_description_are_no_model(tmp_path):
    """Something has to say what the trees are for."""
    with pytest.raises(ModelError, match=r"Expected a 'model\.json'.*got the files booster\.txt"):
        Registry(tmp_path).save("late", {"booster.txt": b"tree"})


def test_a_file_too_large_to_be_read_again_is_not_written(tmp_path, monkeypatch):
    """What `load` would refuse, `save` refuses."""
    monkeypatch.setattr(registry_names, "LARGEST_FILE", 3)
    with pytest.raises(ModelError, match=r"booster\.txt: expected at most 3 bytes, got 4"):
        Registry(tmp_path).save("late", SINGLE)


def test_saving_anew_heals_a_damaged_version(tmp_path):
    """The remedy that every message names, training again, works."""
    registry = Registry(tmp_path)
    version = registry.save("late", SINGLE)
    (tmp_path / version / "booster.txt").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="SHA-256"):
        registry.load(version)
    assert registry.save("late", SINGLE) == version
    assert registry.load(version).files == SINGLE


def test_a_version_of_the_first_format_is_still_read(tmp_path):
    """A flat manifest of two files, as it used to be written."""
    registry = Registry(tmp_path)
    version = registry.save("late", SINGLE)
    manifest = tmp_path / version / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text())["files"]))
    assert registry.load(version).files == SINGLE


def _rewrite(tmp_path, version, **changes):
    path = tmp_path / version / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_manifest_of_a_later_format_is_refused(tmp_path):
    """It may mean what this version cannot know."""
    registry = Registry(tmp_path)
    version = registry.save("late", SINGLE)
    _rewrite(tmp_path, version, format=3)
    with pytest.raises(ModelError, match="expected a manifest of format 2, got 3"):
        registry.load(version)


@pytest.mark.parametrize("files", [{}, [], {"../../x.json": {"sha256": "0", "bytes": 1}}, {"model.json": 7}])
def test_a_manifest_that_names_no_files_of_a_model_is_refused(tmp_path, files):
    """A manifest is read as carefully as what it lists."""
    registry = Registry(tmp_path)
    version = registry.save("late", SINGLE)
    _rewrite(tmp_path, version, files=files)
    with pytest.raises(ModelError, match=r"under plain names|SHA-256"):
        registry.load(version)


def test_a_version_does_not_load_under_the_name_of_another_model(tmp_path):
    """A model for reopenings is not put in the place of one for lateness by renaming a folder."""
    registry = Registry(tmp_path)
    version = registry.save("reopened", SINGLE)
    moved = version.replace("reopened", "late")
    (tmp_path / version).rename(tmp_path / moved)
    with pytest.raises(ModelError, match="its contents belong to another version"):
        registry.load(moved)


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path):
    """A version is made of files of its own."""
    registry = Registry(tmp_path / "models")
    version = registry.save("late", SINGLE)
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_bytes(b"tree")
    (tmp_path / "models" / version / "booster.txt").unlink()
    (tmp_path / "models" / version / "booster.txt").symlink_to(elsewhere)
    with pytest.raises(ModelError, match=r"booster\.txt: missing"):
        registry.load(version)


@pytest.mark.parametrize(
    "files",
    [
        {"model.json": b'{"features": ["complainant_history"]}'},
        {"model.json": b"{}", "booster.txt": b"tree\nfeature_names=caller_id x\n"},
        {"late/model.json": b'{"outcome": "petitioning"}'},
        {"protest/model.json": b"{}"},
    ],
)
def test_a_model_about_people_is_not_put_to_use(tmp_path, files):
    """Columns, trees, outcomes and parts are held against the boundary at promotion, whoever promotes."""
    registry = Registry(tmp_path)
    version = registry.save("late", files)
    with pytest.raises(BoundaryError, match="The boundary refuses names that speak of people"):
        registry.promote("late", version)
    assert registry.champion("late") is None
