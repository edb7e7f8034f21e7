"""A backup holds everything of one moment, goes into either engine, and is refused if one bit is not as it was."""

from __future__ import annotations

import io
import json
import stat
import sys
import tarfile
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import func, insert, inspect, select

from data import tables
from data.audit_log import Act, append
from data.errors import FileFormatError, StoreError, UsageError
from data.migrate import current_version
from data.store import ImportRun, Store
from data.store_audit import Head, verify
from models.registry import Registry
from service import cli
from service.backup import restore as restore_module
from service.backup.archive import ARCHIVE_SUM, MANIFEST, Manifest, manifest_pair, open_archive, pack, sum_of
from service.backup.make import back_up
from service.backup.restore import restore
from service.reads import load
from service.settings import Settings
from tests.support.audit_trails import READ, add, rows_of
from tests.support.exports import fresh_schema
from tests.support.service_store import fill

NOON = 1_700_000_000
CHAMPION = {"late/model.json": b'{"features": []}', "late/booster.txt": b"tree 1\n", "card.json": b"{}"}


@pytest.fixture
def place(request, tmp_path):
    """Addresses of empty places: by engine, as often as asked."""
    with ExitStack() as stack:

        def empty(engine: str) -> str:
            if engine == "sqlite":
                return str(tmp_path / f"store-{len(list(tmp_path.iterdir()))}.db")
            return stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))

        yield empty


def _filled(url: str, folder: Path) -> tuple[Store, Settings]:
    """A store with something in every table that is odd to carry, and a folder of models."""
    store = Store.open(url, create=True)
    fill(store, cases=25)
    with store.writing() as connection:
        connection.execute(
            insert(tables.idempotent_request).values(
                actor="key:1f",
                idempotency_key="k",
                request_sha256="0" * 64,
                started_at=1,
                lease_until=2,
                attempt="a",
                body=b"\x00\xff\n\\x41",
                headers='{"a": "桥头\\n"}',
            )
        )
        connection.execute(insert(tables.category).values(category='q"\t\\N, ', name_zh="", name_en=None))
    add(store, 5, now=NOON)
    models = folder / "models"
    registry = Registry(models)
    registry.promote("failures", registry.save("failures", CHAMPION), reason="test")
    return store, Settings(store_url=url, model_dir=models)


def _everything(store: Store) -> dict[str, list]:
    with store.reading() as connection:
        found = {name: connection.execute(select(table)).fetchall() for name, table in tables.metadata.tables.items()}
    return {name: sorted(repr(tuple(row)) for row in rows) for name, rows in found.items()}


def _flipped(content: bytes, place: int, bit: int = 0) -> bytes:
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> bytes:
    """A small backup: places, no cases, a model."""
    folder = tmp_path_factory.mktemp("small")
    with Store.open(str(folder / "heed.db"), create=True) as store:
        add(store, 3, now=NOON)
        models = folder / "models"
        Registry(models).save("failures", CHAMPION)
        back_up(store, Settings(store_url=str(folder / "heed.db"), model_dir=models), folder / "b.tar", now=NOON + 999)
    return (folder / "b.tar").read_bytes()


@pytest.mark.parametrize(
    ("source", "target", "output"),
    [
        ("sqlite", "sqlite", "b"),
        ("sqlite", "sqlite", "b.tar"),
        ("sqlite", "postgresql", "b.tar"),
        ("postgresql", "sqlite", "b.tar"),
        ("postgresql", "postgresql", "b.tar"),
    ],
)
def test_everything_comes_back_on_either_engine(place, tmp_path, source, target, output):
    """Every value of every table, the trail with its head, the models, and what the service shows."""
    store, settings = _filled(place(source), tmp_path)
    made = back_up(store, settings, tmp_path / output)
    before, shown = _everything(store), load(store, minimum=10)
    head = Head.parse(made.manifest.audit_head)
    assert made.manifest.rows == {name: len(rows) for name, rows in before.items()}
    store.close()
    url = place(target)
    found = restore(tmp_path / output, url, tmp_path / "again")
    assert (found.shows, found.models, found.problems) == (shown.as_of, 1, ())
    with Store.open(url) as again:
        after = _everything(again)
        assert verify(again, head).fault is None
        assert rows_of(again)[-1]["action"] == "store.restore"
        assert set(after["audit_entry"]) > set(before["audit_entry"])
        for name in before.keys() - {"audit_entry", "secret"}:
            assert after[name] == before[name], name
        assert load(again, minimum=10).version == shown.version
        _goes_on(again)
    assert Registry(tmp_path / "again").champion("failures") == Registry(tmp_path / "models").champion("failures")


def _goes_on(store: Store) -> None:
    """New rows get new numbers, and the key of case ids is the one of before."""
    run = {"time_zone": "Asia/Shanghai", "known_at_opening": (), "file_name": "x.csv", "file_sha256": "1"}
    events = store.read_events().iloc[:1].assign(known_at=NOON, at=NOON)
    assert store.add_events(ImportRun(source="later", extracted_at=NOON, **run), events).import_id == 2
    assert len(store.case_key()) == 32


def test_an_archive_tells_what_it_is_and_keeps_its_secrets(place, tmp_path):
    """Only its owner may read it; the settings in it hold no address of a store."""
    store, settings = _filled(place("sqlite"), tmp_path)
    made = back_up(store, settings, tmp_path / "b.tar", actor="worker", now=NOON + 10_000)
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert [rows_of(store)[-1][name] for name in ("actor", "role", "action")] == ["worker", "worker", "store.backup"]
    with open_archive(tmp_path / "b.tar") as opened:
        assert opened.manifest == made.manifest
        told = json.loads(opened.open("settings.json").read())
        assert "store_url" not in told
        assert told["minimum_cell"] == 10
        assert opened.manifest.store_version == current_version()
        assert Head.parse(opened.manifest.audit_head).seq == rows_of(store)[-1]["seq"]
    with tarfile.open(tmp_path / "b.tar") as tar:
        members = tar.getmembers()
    assert {member.mode for member in members} == {0o600}
    assert members[-1].name == ARCHIVE_SUM
    with pytest.raises(UsageError, match="is there already"):
        back_up(store, settings, tmp_path / "b.tar")
    back_up(store, settings, tmp_path / "b.tar", replace=True)
    with pytest.raises(UsageError, match="there is no such folder"):
        back_up(store, settings, tmp_path / "no" / "b.tar")
    folder = back_up(store, settings, tmp_path / "folder").path
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o600}
    restore(folder, place("sqlite"), tmp_path / "again")
    store.close()


def test_a_restored_file_is_its_owners_alone(archive, tmp_path):
    """Whatever the rights of new files are here."""
    (tmp_path / "b.tar").write_bytes(archive)
    restore(tmp_path / "b.tar", str(tmp_path / "new.db"), tmp_path / "new.models")
    assert stat.S_IMODE((tmp_path / "new.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_backup_is_of_one_moment_while_others_write(place, tmp_path, engine):
    """A writer adds a job and an entry together, again and again: the backup has as many of one as of the other."""
    url = place(engine)
    stop = threading.Event()
    job = {"kind": "score", "arguments": "{}", "created_by": "x", "not_before": 0, "attempts": 0, "cancel_asked": 0}

    def write() -> None:
        with Store.open(url) as store:
            number = 0
            while not stop.is_set():
                with store.writing() as connection:
                    connection.execute(insert(tables.job).values(job_id=str(number), state="done", created_at=1, **job))
                    append(connection, [Act("worker", "admin", "job.done", str(number))])
                number += 1

    with Store.open(url, create=True) as store:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            settings = Settings(store_url=url, model_dir=tmp_path / "none")
            made = [back_up(store, settings, tmp_path / f"{n}.tar").manifest for n in range(3)]
        finally:
            stop.set()
            writer.join()
        for number, manifest in enumerate(made):
            assert manifest.rows["audit_entry"] == manifest.rows["job"] + number + 1
            assert Head.parse(manifest.audit_head).seq == manifest.rows["audit_entry"]
            assert verify(store, Head.parse(manifest.audit_head)).fault is None


def _nothing_is_left(folder: Path) -> bool:
    return not [path for path in folder.iterdir() if path.name != "b.tar"]


@profile(max_examples=150, phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_refused(archive, tmp_path_factory, data):
    """In a table, a header, the manifest, the padding or the end; and nothing is written."""
    folder = tmp_path_factory.mktemp("flipped")
    place, bit = data.draw(st.integers(0, len(archive) - 1)), data.draw(st.integers(0, 7))
    (folder / "b.tar").write_bytes(_flipped(archive, place, bit))
    with pytest.raises(FileFormatError, match=r"Nothing of it was used\. Take another copy of the backup\."):
        restore(folder / "b.tar", str(folder / "new.db"), folder / "models")
    assert _nothing_is_left(folder)


@profile(max_examples=60, phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_a_part_of_an_archive_is_refused(archive, tmp_path_factory, data):
    """Cut off anywhere, empty, or with something after it."""
    folder = tmp_path_factory.mktemp("cut")
    size = data.draw(
        st.integers(0, len(archive) - 1) | st.integers(0, (len(archive) - 1) // 512).map(lambda n: 512 * n)
    )
    for content in (archive[:size], archive + archive[:512]):
        (folder / "b.tar").write_bytes(content)
        with pytest.raises(FileFormatError, match="cut off"):
            restore(folder / "b.tar", str(folder / "new.db"), folder / "models")
    assert _nothing_is_left(folder)


def test_a_folder_is_checked_as_well(place, tmp_path):
    """A file more, a file fewer, a file changed, a link."""
    store, settings = _filled(place("sqlite"), tmp_path)
    folder = back_up(store, settings, tmp_path / "folder").path
    store.close()
    event = folder / "tables" / "event.parquet"
    whole = event.read_bytes()
    for change, said in (
        (lambda: event.write_bytes(_flipped(whole, 1_000)), "event.parquet is not as it was written"),
        (event.unlink, "files more or fewer than its manifest"),
        (lambda: event.symlink_to(folder / "tables" / "risk.parquet"), "holds something that is no file"),
        (lambda: (event.unlink(), event.write_bytes(whole), (folder / "more").write_bytes(b"")), "files more or fewer"),
        (lambda: ((folder / "more").unlink(), (folder / MANIFEST).write_bytes(b"{}")), "is not as it was written"),
        ((folder / MANIFEST).unlink, f"holds no {MANIFEST}"),
    ):
        change()
        with pytest.raises(FileFormatError, match=said), open_archive(folder):
            pass


def _crafted(folder: Path, names: dict[str, bytes], *, changed: dict[str, object] | None = None) -> Path:
    """A backup with right hashes of whatever is asked for."""
    for name, content in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    told = {
        "made_at": 1,
        "heed": "x",
        "store_version": current_version(),
        "engine": "sqlite",
        "rows": {},
        "audit_head": "x",
    }
    files = {name: sum_of(folder / name) for name in names}
    manifest = Manifest(**{**told, **(changed or {})}, files=files)
    for name, content in manifest_pair(manifest).items():
        (folder / name).write_bytes(content)
    with (folder / "b.tar").open("wb") as file:
        pack(folder, [*manifest_pair(manifest), *names], file, made_at=1)
    return folder / "b.tar"


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "models/../../evil", "tables/../evil", "models/.ssh/keys", "evil", "tables/event.parquet/x"),
        *("models//x", "models/" + "a/" * 9 + "b", "tables/EVENT.parquet"),
    ],
)
def test_a_place_outside_is_refused_whatever_the_hashes_say(tmp_path, name):
    """Of a file that an attacker made, hashes and all."""
    inner = tmp_path / "a" / "b" / "c"
    (inner / "models").mkdir(parents=True)
    (inner / "tables").mkdir()
    path = _crafted(inner, {name: b"evil"})
    with pytest.raises(FileFormatError, match=r"names a file that no backup holds|more or fewer"):
        restore(path, str(tmp_path / "new.db"), tmp_path / "models")
    assert not (tmp_path / "new.db").exists()
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path, monkeypatch, kind):
    """Nothing but files is in a backup."""
    from service.backup import archive as module

    real = tarfile.TarInfo

    def other(name: str) -> tarfile.TarInfo:
        info = real(name)
        if name == "settings.json":
            info.type, info.linkname = kind, "/etc/passwd"
        return info

    monkeypatch.setattr(module.tarfile, "TarInfo", other)
    path = _crafted(tmp_path, {"settings.json": b""})
    monkeypatch.undo()
    with pytest.raises(FileFormatError, match="holds something that is no file"), open_archive(path):
        pass


def test_what_is_no_backup_is_refused(tmp_path):
    """Another tar file, another file, no file, a manifest of tomorrow."""
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("x"), io.BytesIO(b""))
    (tmp_path / "text").write_bytes(b"hello" * 5_000)
    for name in ("other.tar", "text"):
        with pytest.raises(FileFormatError, match="backup"), open_archive(tmp_path / name):
            pass
    with pytest.raises(UsageError, match="cannot be read: No such file"), open_archive(tmp_path / "none"):
        pass
    with pytest.raises(FileFormatError, match=r"Expected a backup of format 1, got another one"):
        Manifest.parse(b'{"format": 2}')
    for content in (b"", b"[]", b"{}", b'{"format": 1}', b'{"format": 1, "files": {"a": 1}, "rows": {}}'):
        with pytest.raises(FileFormatError, match="is no manifest of a backup"):
            Manifest.parse(content)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_only_an_empty_store_is_filled(archive, place, tmp_path, engine):
    """One that was just made is; one with a single row is not, and stays as it is."""
    (tmp_path / "b.tar").write_bytes(archive)
    url = place(engine)
    with Store.open(url, create=True) as store:
        add(store, 1, now=NOON)
        before = _everything(store)
        with pytest.raises(UsageError, match=r"Expected an empty store .* 1 of its tables hold rows"):
            restore(tmp_path / "b.tar", url, tmp_path / "models")
        assert _everything(store) == before
    assert not (tmp_path / "models").exists()
    made = place(engine)
    with Store.open(made, create=True) as store:
        key = store.case_key()
    restore(tmp_path / "b.tar", made, tmp_path / "models")
    with Store.open(made) as store:
        assert store.case_key() != key
    with pytest.raises(UsageError, match="Expected an empty folder for the models"):
        restore(tmp_path / "b.tar", place(engine), tmp_path / "models")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("step", ["_check_rows", "verify_on", "append", "_move"])
def test_what_fails_half_way_leaves_nothing(archive, place, tmp_path, monkeypatch, engine, step):
    """No table, no file, no model."""
    (tmp_path / "b.tar").write_bytes(archive)
    url = place(engine)

    def broken(*_given: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(restore_module, step, broken)
    with pytest.raises(StoreError, match=r"could not be restored \(No space left on device\)\. Nothing is left of it"):
        restore(tmp_path / "b.tar", url, tmp_path / "models")
    assert _nothing_is_left(tmp_path)
    monkeypatch.undo()
    restore(tmp_path / "b.tar", url, tmp_path / "models")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_was_restored_stays_whatever_is_wrong_with_it(archive, place, tmp_path, monkeypatch, engine):
    """Once the store is committed nothing is taken away again, least of all its models alone."""
    (tmp_path / "b.tar").write_bytes(archive)
    url = place(engine)

    def broken(_store: Store) -> None:
        raise KeyError("features")

    monkeypatch.setattr(restore_module, "_shown", broken)
    with pytest.raises(KeyError):
        restore(tmp_path / "b.tar", url, tmp_path / "models")
    with Store.open(url) as store:
        checked = verify(store)
        assert checked.fault is None
        assert checked.entries > 0
    assert any((tmp_path / "models").iterdir())


def test_models_go_back_if_the_store_cannot_be_committed(archive, tmp_path, monkeypatch):
    """They were in place already."""
    (tmp_path / "b.tar").write_bytes(archive)
    real = restore_module._move

    def moved_then_broken(staged: Path, models: Path) -> None:
        real(staged, models)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(restore_module, "_move", moved_then_broken)
    with pytest.raises(StoreError, match="Nothing is left of it"):
        restore(tmp_path / "b.tar", str(tmp_path / "new.db"), tmp_path / "models")
    assert _nothing_is_left(tmp_path)
    (tmp_path / "models").mkdir()
    with pytest.raises(StoreError, match="Nothing is left of it"):
        restore(tmp_path / "b.tar", str(tmp_path / "new.db"), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_rows_that_are_not_as_the_manifest_tells_are_refused(archive, tmp_path):
    """Of an archive with hashes that fit: counts, tables, the trail."""
    (tmp_path / "b.tar").write_bytes(archive)
    with open_archive(tmp_path / "b.tar") as opened:
        files = {name: opened.open(name).read() for name in opened.manifest.files}
        told = opened.manifest
    same = {"rows": dict(told.rows), "audit_head": told.audit_head}
    other = f"{'1' * 64}@4"
    for number, (changed, said) in enumerate(
        (
            ({**same, "rows": {**told.rows, "job": 7}}, "Expected 7 rows of job"),
            ({**same, "rows": {}}, "other tables than its manifest tells"),
            ({**same, "audit_head": other}, "The audit trail in the backup is not whole. Entry 4 is another one"),
            ({**same, "store_version": "9999"}, "got 9999, which this heed does not know"),
            ({**same, "store_version": "0006"}, "a table that no store of its version has"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(StoreError, match=said):
            restore(_crafted(folder, files, changed=changed), str(folder / "new.db"), folder / "again")
        assert not (folder / "new.db").exists()
        assert not (folder / "again").exists()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_backup_of_an_earlier_heed_comes_up_to_date(archive, place, tmp_path, engine):
    """Its tables are made as they were then, filled, and brought to today."""
    (tmp_path / "b.tar").write_bytes(archive)
    new = {"api_key", "audit_entry", "idempotent_request", "job"}
    new |= {"case_mark", "saved_view", "board_count", "model_drift"}
    with open_archive(tmp_path / "b.tar") as opened:
        files = {name: opened.open(name).read() for name in opened.manifest.files if Path(name).stem not in new}
        rows = {name: count for name, count in opened.manifest.rows.items() if name not in new}
    (tmp_path / "old").mkdir()
    head = f"{'0' * 64}@0"
    old = _crafted(tmp_path / "old", files, changed={"store_version": "0006", "rows": rows, "audit_head": head})
    url = place(engine)
    restore(old, url, tmp_path / "models")
    with Store.open(url) as store, store.reading() as connection:
        assert inspect(connection).has_table("job")
        assert connection.execute(select(func.count()).select_from(tables.audit_entry)).scalar_one() == 1


def test_a_value_of_another_kind_is_no_backup(tmp_path):
    """SQLite takes anything into any column; a backup that could not be restored would be worse than none."""
    with Store.open(str(tmp_path / "heed.db"), create=True) as store:
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO area (area, neighbours, population) VALUES ('a', '[]', 'many')")
        with pytest.raises(StoreError, match="values of the kind of their column in the table area"):
            back_up(store, Settings(store_url=str(tmp_path / "heed.db")), tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


def test_a_folder_of_models_with_strange_files_is_told(tmp_path):
    """They would make an archive that is refused later."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "a b.txt").write_bytes(b"")
    with Store.open(str(tmp_path / "heed.db"), create=True) as store:
        settings = Settings(store_url=str(tmp_path / "heed.db"), model_dir=models)
        with pytest.raises(UsageError, match="The folder of models holds 1 files that heed doesn't write"):
            back_up(store, settings, tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


def _heed(monkeypatch, capsys, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["heed", *arguments])
    code = 0
    try:
        cli.main()
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    told = capsys.readouterr()
    return code, told.out + told.err


def test_the_commands_go_there_and_back(tmp_path, monkeypatch, capsys):
    """From a file to a file, with exit codes."""
    store, _ = _filled(str(tmp_path / "heed.db"), tmp_path)
    with store.writing() as connection:
        append(connection, [READ])
    store.close()
    (tmp_path / "models").rename(tmp_path / "heed.models")
    base, file = ("--store", str(tmp_path / "heed.db")), str(tmp_path / "b.tar")
    assert _heed(monkeypatch, capsys, *base, "backup")[0] == 2
    code, told = _heed(monkeypatch, capsys, *base, "backup", "-o", file)
    assert (code, "Audit head: " in told) == (0, True)
    code, told = _heed(monkeypatch, capsys, "backup", "verify", file, "--json")
    assert (code, json.loads(told)["whole"], json.loads(told)["rows"]["risk"]) == (
        0,
        True,
        json.loads(told)["rows"]["risk"],
    )
    code, told = _heed(monkeypatch, capsys, "restore", file, "--store", str(tmp_path / "new.db"))
    assert (code, "the audit trail is whole; 1 versions of models" in told) == (0, True)
    assert (tmp_path / "new.models").is_dir()
    code, told = _heed(monkeypatch, capsys, "restore", file, "--store", str(tmp_path / "new.db"), "--json")
    assert code == 2
    Path(file).write_bytes(_flipped(Path(file).read_bytes(), 5_000))
    code, told = _heed(monkeypatch, capsys, "backup", "verify", file)
    assert (code, "Take another copy of the backup." in told) == (1, True)
