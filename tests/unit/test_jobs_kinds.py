"""What jobs do: the same as the commands, about the moment at which they were first begun, and once."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from data.errors import ModelError, StoreError, UsageError
from data.import_cases import import_file
from data.store import Store
from models.registry import Registry
from service.job_payloads import NoArguments, RetainArguments, SyncArguments
from service.jobs import runs
from service.jobs.kinds import KINDS, checked
from service.jobs.outputs import Unfinished, mappings_folder, reports_folder
from service.jobs.pinned import PinnedStore, pin_moment
from service.jobs.queue import COMMAND, enqueue
from service.jobs.work import Work
from service.jobs.worker import Worker
from service.known import Known
from service.settings import Settings
from tests.support.exports import town, write_csv
from tests.support.job_runs import SetClock, added, found, settings_of
from tests.support.portals import SOCRATA, TABLE, TOWN_COLUMNS, SocrataPortal, row
from tests.support.registry_kills import model
from tests.support.service_store import small_store


@pytest.fixture
def path(tmp_path):
    """A small store with a scoring."""
    return small_store(tmp_path)


@pytest.fixture
def store(path):
    """The same, open."""
    with Store.open(str(path)) as opened:
        yield opened


def begun(store, kind: str, settings: Settings, attempt: int = 1, **pinned) -> Work:
    """An attempt at a job, as a worker would make it."""
    job = replace(added(store, kind), attempts=attempt, pinned=pinned)
    arguments = KINDS[kind].arguments.model_validate(checked(kind, {}, settings))
    return Work(store, job, arguments, settings, lambda *_: None)


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        ("dance", {}, "Expected one of sync, score, detect, train, backtest, report, retain, backup as the kind"),
        ("score", {"as_of": "yesterday"}, "Arguments of score: as_of: expected a moment with its offset"),
        ("score", {"asof": None}, "Arguments of score: expected as_of, and no others"),
        ("backup", {"output": "/x"}, "Arguments of backup: expected none, and no others"),
        ("train", {"outcomes": []}, "outcomes: "),
        ("train", {"outcomes": ["protest"]}, "outcomes: input should be 'late', 'unresolved', 'reopened'"),
        ("detect", {"fdr_level": 1}, "fdr_level: input should be less than 1"),
        ("sync", {"name": "boston"}, "expected a mapping with [sync]"),
        ("sync", {"name": "../../etc/passwd"}, "name: string should match pattern"),
    ],
)
def test_arguments_are_checked_before_a_job_is_added(tmp_path, kind, arguments, told):
    """What was expected, without what came."""
    with pytest.raises(UsageError) as refused:
        checked(kind, arguments, Settings(store_url=str(tmp_path / "heed.db")))
    assert told in str(refused.value)
    assert not any(came in str(refused.value) for came in ("yesterday", "protest", "passwd", "/x"))


def test_arguments_are_kept_with_their_defaults(tmp_path):
    """So that a job tells later what it was asked."""
    settings = Settings(store_url=str(tmp_path / "heed.db"))
    assert checked("train", {"promote": False}, settings) == {"as_of": None, "outcomes": None, "promote": False}
    assert checked("score", {"as_of": "2026-03-02T08:30+08:00"}, settings) == {"as_of": "2026-03-02T08:30:00+08:00"}


def test_a_pinned_store_knows_no_later_import(tmp_path):
    """Whatever comes in between two attempts, the second asks the same and finds the same."""
    rows = [{"number": str(n)} for n in range(1, 30)]
    earlier = write_csv(tmp_path / "earlier.csv", rows)
    # The second export is older than the first: its events count as recorded now, and were all known before.
    later = write_csv(tmp_path / "later.csv", [{"number": str(n), "kind": "Drain"} for n in range(90, 99)])
    with Store.open(str(tmp_path / "town.db"), create=True) as store:
        import_file(store, earlier, town(), extracted_at=1_720_000_000)
        pinned = pin_moment(store)
        before = Known.at(store)
        import_file(store, later, town(), extracted_at=1_719_000_000)
        now = Known.at(store)
        again = Known.at(PinnedStore(store, json.loads(json.dumps(pinned))))
        assert len(now.events) > len(before.events)
        assert again.as_of == before.as_of == pinned["as_of"]
        pd.testing.assert_frame_equal(again.events, before.events)
        pd.testing.assert_series_equal(again.observed_until, before.observed_until)
        assert len(PinnedStore(store, pinned).imports()) == 1
        assert PinnedStore(store, pinned).last_known_at() == pinned["as_of"] - 1


def test_an_import_while_the_moment_is_fixed_belongs_to_it_or_comes_after(tmp_path, monkeypatch):
    """A job speaks of no moment that an import moved without knowing what came with that import."""
    rows = [{"number": str(n)} for n in range(1, 30)]
    earlier = write_csv(tmp_path / "earlier.csv", rows)
    later = write_csv(tmp_path / "later.csv", [{"number": str(n), "kind": "Drain"} for n in range(90, 99)])
    with Store.open(str(tmp_path / "town.db"), create=True) as store:
        import_file(store, earlier, town(), extracted_at=1_720_000_000)
        real = Store.last_known_at

        def meanwhile(asked: Store) -> int:
            with Store.open(str(tmp_path / "town.db")) as other:
                import_file(other, later, town(), extracted_at=1_721_000_000)
            return real(asked)

        monkeypatch.setattr(Store, "last_known_at", meanwhile)
        pinned = pin_moment(store)
        monkeypatch.undo()
        told = PinnedStore(store, pinned).read_events(as_of=pinned["as_of"])
        pd.testing.assert_frame_equal(told, store.read_events(as_of=pinned["as_of"]))


def test_models_are_put_to_use_once_whatever_is_cut_off(store, path):
    """An attempt that was killed after it had promoted is not followed by a second promotion, nor is a rollback."""
    settings = settings_of(str(path))
    registry = Registry(settings.models_folder())
    first, second, other = (registry.save("failures", model(number)) for number in (1, 2, 3))
    registry.promote("failures", first)
    work = begun(store, "train", settings, champion=first)
    for _ in range(2):
        assert runs.promote_once(registry, "failures", second, work)
    told = [entry for entry in registry.history() if entry.action == "promoted"]
    assert [entry.version for entry in told] == [first, second]
    assert told[-1].reason == f"job {work.job.job_id}"
    registry.rollback("failures")
    assert runs.promote_once(registry, "failures", second, work)
    assert registry.champion("failures") == first
    registry.promote("failures", other)
    with pytest.raises(ModelError, match="somebody else has promoted meanwhile"):
        runs.promote_once(registry, "failures", registry.save("failures", model(4)), work)
    assert registry.champion("failures") == other


def test_models_that_are_in_use_already_are_promoted(store, path):
    """The same data make the same models."""
    settings = settings_of(str(path))
    registry = Registry(settings.models_folder())
    only = registry.save("failures", model(1))
    registry.promote("failures", only)
    assert runs.promote_once(registry, "failures", only, begun(store, "train", settings, champion=None))


def test_files_are_there_whole_when_the_job_has_ended_and_not_before(tmp_path):
    """An attempt that was cut off leaves nothing that is seen, and nothing at all after the next."""
    folder = tmp_path / "heed.reports"
    for attempt in (1, 2):
        unfinished = Unfinished(folder, "report-1", attempt)
        unfinished.write({"check.html": f"attempt {attempt}"})
        assert not (folder / "report-1").exists()
    for _ in range(2):
        again = Unfinished(folder, "report-1", 2)
        again.write({"check.html": "attempt 2"})
        again.put_in_place()
        assert (folder / "report-1" / "check.html").read_text() == "attempt 2"
    assert [path.name for path in folder.iterdir()] == ["report-1"]
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    """By its name, without the path of the machine."""
    (tmp_path / "heed.reports").write_text("a file")
    with pytest.raises(StoreError, match=r"^heed\.reports: could not be written to") as refused:
        Unfinished(tmp_path / "heed.reports", "report-1", 1)
    assert str(tmp_path) not in str(refused.value)


def test_folders_are_beside_the_store():
    """Of a file; and in the working folder for a server."""
    assert reports_folder(Settings(store_url="sqlite:///city/heed.db")).as_posix() == "city/heed.reports"
    assert mappings_folder(Settings(store_url="postgresql://u@h/db")).as_posix() == "heed.mappings"


def run_once(store, path, *kinds: str, clock: SetClock | None = None, **arguments) -> list:
    """Have a worker do jobs of these kinds; they as they ended."""
    settings = settings_of(str(path))
    ids = []
    for kind in kinds:
        with store.writing() as connection:
            asked = checked(kind, arguments, settings)
            ids.append(enqueue(connection, kind, asked, by=COMMAND, now=1_700_000_000)[0].job_id)
        Worker(store, settings, KINDS, clock=clock.clock() if clock else None).run(once=True)
    return [found(store, job_id) for job_id in ids]


def test_a_backup_is_made_and_can_be_verified(store, path):
    """In a folder of its own, under a name that nobody chose."""
    from service.backup.archive import open_archive

    (job,) = run_once(store, path, "backup")
    assert job.state == "done", job.problem
    (name,) = job.result["files"]
    assert name == f"backup-{job.job_id}/heed.tar"
    archive = path.with_suffix(".backups") / name
    assert archive.stat().st_mode & 0o077 == 0
    with open_archive(archive) as opened:
        assert opened.manifest.audit_head == job.result["audit_head"]


def test_retention_reckons_from_the_moment_at_which_it_was_begun(store, path):
    """And says how many rows went."""
    trial, job = run_once(store, path, "retain", dry_run=True)[0], run_once(store, path, "retain")[0]
    assert (trial.state, job.state) == ("done", "done")
    assert trial.result["dry_run"]
    assert set(job.result["rows"]) == set(trial.result["rows"]) >= {"risk", "job"}
    assert job.pinned["now"] > 1_700_000_000


def test_a_sync_brings_in_what_is_new_and_nothing_the_second_time(tmp_path):
    """By a mapping of the operator's own, in the folder beside the store."""
    rows = [row(n, closed=None) for n in range(1, 21)]
    portal = SocrataPortal(rows=rows, columns=dict(TOWN_COLUMNS))
    path = tmp_path / "heed.db"
    with portal.serving(), Store.open(str(path), create=True) as store:
        folder = mappings_folder(settings_of(str(path)))
        folder.mkdir()
        (folder / "town.toml").write_text(TABLE.replace("URL", portal.url) + SOCRATA)
        first, second = run_once(store, path, "sync", "sync", name="town")
        assert first.state == "done", first.problem
        assert (first.result["cases"], first.result["rows"]) == (20, 20)
        assert first.result["events_added"] > 0
        assert second.result["events_added"] == 0
        assert len(store.read_events()["case_id"].unique()) == 20


def test_a_report_is_a_page_that_the_job_names(tmp_path):
    """With its figures beside it; about the moment at which it was begun."""
    path = tmp_path / "heed.db"
    rows = write_csv(tmp_path / "rows.csv", [{"number": str(n)} for n in range(1, 40)])
    with Store.open(str(path), create=True) as store:
        import_file(store, rows, town(), extracted_at=1_720_000_000)
        (job,) = run_once(store, path, "report", language="zh")
        assert job.state == "done", job.problem
        assert job.pinned["as_of"] == store.last_known_at() + 1
    page, figures = (tmp_path / "heed.reports" / name for name in sorted(job.result["files"]))
    assert 'lang="zh' in page.read_text("utf-8")
    assert json.loads(figures.read_text("utf-8"))


def test_every_kind_can_be_asked_for():
    """The table, the API and the timetable know the same kinds, and none takes more than it says."""
    from service.job_payloads import Kind as Names

    assert set(KINDS) == set(Names.__args__)
    for kind in KINDS.values():
        assert kind.arguments.model_config["extra"] == "forbid"
    assert {name for name, kind in KINDS.items() if kind.alone} == {"sync", "train", "retain", "backup"}
    assert KINDS["sync"].arguments is SyncArguments
    assert (KINDS["retain"].arguments, KINDS["backup"].arguments) == (RetainArguments, NoArguments)
