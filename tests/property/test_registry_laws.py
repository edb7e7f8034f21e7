"""Laws of the registry and of fingerprints, whatever is saved, promoted, changed or shuffled."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from data.errors import HeedError, ModelError, UsageError
from models.fingerprint import data_fingerprint, history_fingerprint, named_by_content
from models.registry import ALIASES, CHAMPION, PREVIOUS, Registry
from models.registry.names import is_file_name
from models.registry.verify import verify
from tests.support.logs import event_frame, event_logs

CONTENT = st.binary(max_size=40)
NAMES = st.sampled_from(["booster.txt", "late/model.json", "late/booster.txt", "a/b/trees.txt", "card.json"])


def files_of(number: int) -> dict[str, bytes]:
    return {"model.json": b'{"features": []}', "booster.txt": str(number).encode()}


class RegistryMachine(RuleBasedStateMachine):
    """The registry does what a dictionary in memory would."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.registry = Registry(Path(self.folder.name) / "models")
        self.saved: dict[str, None] = {}
        self.held: dict[str, str] = {}
        self.promotions = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(number=st.integers(0, 6))
    def save(self, number: int) -> None:
        version = self.registry.save("late", files_of(number))
        self.saved.setdefault(version)
        assert self.registry.load(version).files == files_of(number)

    @precondition(lambda self: self.saved)
    @rule(data=st.data(), alias=st.sampled_from(ALIASES))
    def promote(self, data: st.DataObject, alias: str) -> None:
        version = data.draw(st.sampled_from(sorted(self.saved)))
        expected = data.draw(st.sampled_from([None, *sorted(self.saved)]))
        before = self.held.get(alias)
        if expected != before:
            try:
                self.registry.promote("late", version, alias=alias, expected=expected)
            except ModelError:
                return
            raise AssertionError("promoted past another")
        assert self.registry.promote("late", version, alias=alias, expected=expected) == before
        if before == version:
            return
        self._put(alias, version)

    @precondition(lambda self: PREVIOUS in self.held)
    @rule()
    def rollback(self) -> None:
        version = self.held[PREVIOUS]
        assert self.registry.rollback("late") == version
        self._put(CHAMPION, version)

    @rule(keep=st.integers(0, 3))
    def prune(self, keep: int) -> None:
        taken = self.registry.prune(keep=keep)
        assert not set(taken) & set(self.held.values())
        free = [version for version in self.saved if version not in self.held.values()]
        assert len(taken) == max(len(free) - keep, 0)
        for version in taken:
            del self.saved[version]

    def _put(self, alias: str, version: str) -> None:
        before = self.held.get(alias)
        self.held[alias] = version
        self.promotions += 1
        if alias == CHAMPION:
            if before is not None:
                self.held[PREVIOUS] = before
            for other in ("challenger", "shadow"):
                if self.held.get(other) == version:
                    del self.held[other]

    @invariant()
    def as_in_memory(self) -> None:
        assert self.registry.versions() == sorted(self.saved)
        assert self.registry.aliases().get("late", {}) == self.held
        assert [e.serial for e in self.registry.history() if e.serial] == list(range(1, self.promotions + 1))
        assert all(one.problem is None for one in verify(self.registry))


TestRegistryMachine = RegistryMachine.TestCase
TestRegistryMachine.settings = settings(max_examples=8, stateful_step_count=10, deadline=None)


@settings(max_examples=12)
@given(st.dictionaries(NAMES, CONTENT, max_size=5), st.dictionaries(NAMES, CONTENT, max_size=5))
def test_versions_are_equal_exactly_where_contents_are(one, other):
    """A version is its contents: no two contents share a name, and no content has two."""
    one, other = ({"model.json": b"{}", **files} for files in (one, other))
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        first, second = registry.save("late", one), registry.save("late", other)
        assert (first == second) == (one == other)
        assert registry.load(first).files == one
        assert registry.load(second).files == other


@given(st.text(max_size=30))
def test_a_file_name_that_is_allowed_stays_in_its_folder(name):
    """Whatever a name is made of, it is refused or leads to a place inside."""
    if is_file_name(name):
        root = Path("/models/version")
        assert (root / name).resolve().is_relative_to(root)
        assert name == name.lower().strip()


@given(st.data())
@settings(max_examples=30)
def test_a_changed_byte_anywhere_is_refused(data):
    """Any change of any file of a version, its manifest included, is told, or changed nothing that is read."""
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        version = registry.save("late", {"late/model.json": b'{"features": []}', "booster.txt": b"tree"})
        before = registry.load(version).files
        paths = sorted(path for path in (Path(folder) / version).rglob("*") if path.is_file())
        path = data.draw(st.sampled_from(paths))
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(content))
        try:
            assert registry.load(version).files == before
            assert path.name == "manifest.json"
        except HeedError:
            pass


def _followed(events: pd.DataFrame) -> pd.Series:
    last = events.groupby("case_id")["known_at"].max()
    return (last + 86_400).astype("int64")


def _renamed(events: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """The same events under other names of cases, in another order; of one case and second as they came."""
    chance = np.random.default_rng(seed)
    names = sorted(events["case_id"].unique())
    others = dict(zip(names, (f"{n:032x}" for n in chance.permutation(len(names))), strict=True))
    moved = events.assign(case_id=events["case_id"].map(others).astype("str"))
    order = np.argsort(chance.random(len(names)))[pd.factorize(moved["case_id"])[0]]
    return moved.iloc[np.argsort(order, kind="stable")].reset_index(drop=True), others


@given(event_logs(max_cases=6), st.integers(0, 1000))
@settings(max_examples=15)
def test_a_fingerprint_is_of_content_alone(events, seed):
    """Other names and another order of rows: the same data."""
    until = _followed(events)
    moved, names = _renamed(events, seed)
    shuffled = moved.sample(frac=1.0, random_state=seed).reset_index(drop=True)
    renamed = until.rename(index=names).sample(frac=1.0, random_state=seed)
    expected = data_fingerprint(events, observed_until=until)
    assert data_fingerprint(moved, observed_until=renamed) == expected
    assert data_fingerprint(shuffled, observed_until=renamed) == expected


@given(event_logs(max_cases=6), st.data())
@settings(max_examples=15)
def test_any_other_content_has_another_fingerprint(events, data):
    """One moment, one word, one row, or who an event belongs to."""
    expected = data_fingerprint(events)
    row = data.draw(st.integers(0, len(events) - 1))
    changed = events.copy()
    column = data.draw(st.sampled_from(["at", "known_at", "due_at", "office", "category"]))
    if column in ("at", "known_at", "due_at"):
        changed.loc[row, column] = 1_800_000_001
    else:
        changed.loc[row, column] = "another"
    assert data_fingerprint(changed) != expected
    assert data_fingerprint(pd.concat([events, events.iloc[[row]]], ignore_index=True)) != expected
    assert data_fingerprint(events, observed_until=_followed(events)) != expected


@given(event_logs(max_cases=6), st.data())
@settings(max_examples=15)
def test_which_events_are_of_one_case_is_content(events, data):
    """Two cases made one are other data, though every row says the same."""
    names = sorted(events["case_id"].unique())
    assume(len(names) > 1)
    merged = events.assign(case_id=events["case_id"].replace({names[1]: names[0]}))
    assert data_fingerprint(merged) != data_fingerprint(events)


@given(event_logs(max_cases=6), st.integers(0, 1000))
@settings(max_examples=15)
def test_cases_named_by_content_are_named_alike_in_every_store(events, seed):
    """Names and order come out the same, whatever they were before; nothing else is changed."""
    until = _followed(events)
    moved, names = _renamed(events, seed)
    one, one_until = named_by_content(events, until)
    other, other_until = named_by_content(moved, until.rename(index=names))
    pd.testing.assert_frame_equal(one, other)
    assert one_until is not None
    assert other_until is not None
    pd.testing.assert_series_equal(one_until, other_until)
    assert data_fingerprint(one, observed_until=one_until) == data_fingerprint(events, observed_until=until)


@given(event_logs(max_cases=6), st.integers(0, 1000))
@settings(max_examples=15)
def test_no_two_cases_get_one_name(events, seed):
    """Cases that say the same are still counted as many as they are."""
    doubled = pd.concat([events, events.assign(case_id=events["case_id"] + "x")], ignore_index=True)
    named, _ = named_by_content(doubled)
    assert named["case_id"].nunique() == doubled["case_id"].nunique()
    moved, _names = _renamed(doubled, seed)
    pd.testing.assert_frame_equal(named_by_content(moved)[0], named)


@given(event_logs(max_cases=6))
@settings(max_examples=15)
def test_a_case_keeps_its_name_as_more_becomes_known(events):
    """Where no other case was opened alike, the name is that of the opening alone."""
    openings = events[events["kind"] == "opened"]
    alone = openings[~openings.drop(columns="case_id").duplicated(keep=False)]
    assume(len(alone))
    early, _ = named_by_content(alone)
    assert set(early["case_id"]) <= set(named_by_content(events)[0]["case_id"])


@given(
    st.dictionaries(st.sampled_from(["A1", "A2", "A3"]), st.lists(st.sampled_from(["A1", "A2"]), unique=True)),
    st.integers(0, 100),
)
@settings(max_examples=12)
def test_further_tables_count_by_content_too(adjacency, seed):
    """What the features were made of besides the events: the same in any order, another where it says another."""
    opening = {"case_id": "c", "kind": "opened", "at": 1_700_000_000, "known_at": 1_700_000_000}
    events = event_frame([opening])
    capacity = pd.DataFrame({"office": ["a", "b", "b"], "at": [1, 2, 3], "change": [1000, 2000, -500]})
    expected = history_fingerprint(events, capacity=capacity, adjacency=adjacency, known_at_opening=["area", "office"])
    turned = {area: tuple(reversed(beside)) for area, beside in reversed(adjacency.items())}
    mixed = capacity.sample(frac=1.0, random_state=seed)
    assert expected == history_fingerprint(
        events, capacity=mixed, adjacency=turned, known_at_opening=frozenset(["office", "area"])
    )
    others = (
        {"capacity": capacity.assign(change=[1000, 2000, -501]), "adjacency": adjacency},
        {"capacity": None, "adjacency": adjacency},
        {"capacity": capacity, "adjacency": {**adjacency, "A4": ("A1",)}},
        {"capacity": capacity, "adjacency": adjacency, "time_zone": "Asia/Shanghai"},
    )
    for other in others:
        assert history_fingerprint(events, known_at_opening=["area", "office"], **other) != expected


def test_a_model_name_of_any_text_is_refused_or_a_word(tmp_path):
    """The usual ways out of a folder are no names."""
    for name in ("..", "a/b", "a\\b", "-", "a-b", " a", "a\n", "ä"):
        try:
            Registry(tmp_path).save(name, files_of(1))
        except UsageError:
            continue
        raise AssertionError(name)
