"""A backup back into an empty store: all of it, checked, or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Integer, inspect
from sqlalchemy import text as sql

from data import database, tables
from data.audit_log import Act, append
from data.errors import HeedError, StoreError, UsageError
from data.migrate import make_version, migrate, stored_version
from data.store import Store
from data.store_audit import Head, verify_on
from models.registry import Registry
from models.registry.files import sync_folder
from models.registry.verify import verify
from service.backup.archive import Archive, Manifest, Progress, open_archive
from service.backup.rows import count_on, read_rows
from service.reads import load

_PATIENCE: Final = 60.0
# What a store that was only just made holds.
_ITS_OWN: Final = frozenset({"secret", "alembic_version"})


@dataclass(frozen=True, slots=True)
class Restored:
    """A store that was restored.

    Attributes
    ----------
    shows : the moment of the scoring that the service shows now, seconds in UTC; None: it holds no scoring
    models : versions that are there now
    problems : what is wrong with the scoring or the models, in words; they were so when the backup was made
    """

    manifest: Manifest
    seconds: float
    shows: int | None
    models: int
    problems: tuple[str, ...]


def restore(
    path: Path, url: str, models: Path, *, actor: str = "command", progress: Progress | None = None
) -> Restored:
    """Put a backup into a store that is empty or not there yet, and its models into such a folder.

    The archive is checked whole before anything is written. Rows, counts and the audit trail are checked before any of
    it can be seen; a backup of an earlier heed is brought up to date. It is one transaction: at any failure the store
    and the folder are as before.

    Parameters
    ----------
    url : the address of the store, as `Store.open` takes it
    models : the folder of models; made here
    actor : what the audit trail calls whoever asked for it

    Raises
    ------
    UsageError
        If the store or the folder is not empty.
    FileFormatError
        If the archive is damaged.
    StoreError
        If the store cannot be written to, or is not as the backup says.
    """
    started = time.perf_counter()
    step = progress or _silent
    address = database.parse_url(url)
    file = database.file_of(address)
    if file is not None and not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}. Make it first, or give another path with --store.")
    _check_models_folder(models)
    with open_archive(path, progress=step) as archive, _undone(file), _models_staged(archive, models) as staged:
        if file is not None and not file.exists():
            # Only its owner may read it, whatever the rights of new files are here.
            file.touch(mode=0o600)
        store = Store(database.open_engine(address))
        try:
            _fill(store, archive, actor, step, staged, models)
        finally:
            store.close()
        manifest = archive.manifest
    # It is there now, whatever is wrong with it: what goes wrong from here on takes nothing away again.
    with Store(database.open_engine(address)) as store:
        shows, problems = _shown(store)
    problems += [f"{one.name}: {one.problem}" for one in verify(Registry(models)) if one.problem is not None]
    versions = len(Registry(models).versions()) if models.is_dir() else 0
    return Restored(manifest, time.perf_counter() - started, shows, versions, tuple(problems))


def _fill(store: Store, archive: Archive, actor: str, step: Progress, staged: Path | None, models: Path) -> None:
    manifest = archive.manifest
    with store.writing(patience=_PATIENCE) as connection:
        _require_empty(connection, manifest.store_version)
        make_version(connection, manifest.store_version)
        # The key of the backup takes the place of a new store's own: case ids go on being the same.
        connection.execute(sql("DELETE FROM secret"))
        _insert(connection, archive, step)
        _check_rows(connection, manifest)
        head = Head.parse(manifest.audit_head)
        migrate(connection)
        checked = verify_on(connection, head)
        if checked.fault is not None or checked.head != head:
            told = "It holds entries after that of its manifest." if checked.fault is None else checked.fault.told
            raise StoreError(f"The audit trail in the backup is not whole. {told} Nothing was restored.")
        digest = hashlib.sha256(manifest.to_bytes()).hexdigest()
        append(connection, [Act.own(actor, "store.restore", None, {"manifest_sha256": digest})])
        # Last, for this cannot be undone by the database.
        if staged is not None:
            _move(staged, models)


def _insert(connection: Connection, archive: Archive, step: Progress) -> None:
    there = inspect(connection)
    names = {name.removeprefix("tables/").removesuffix(".parquet"): name for name in archive.names("tables")}
    known = [table.name for table in tables.metadata.sorted_tables]
    if set(names) != {*archive.manifest.rows}:
        raise StoreError("The backup has other tables than its manifest tells. Nothing was restored.")
    in_order = sorted(names, key=lambda name: known.index(name) if name in known else len(known))
    for number, name in enumerate(in_order, start=1):
        if not there.has_table(name):
            raise StoreError("The backup holds a table that no store of its version has. Nothing was restored.")
        columns = {column["name"]: column for column in there.get_columns(name)}
        with archive.open(names[name]) as file:
            read_rows(connection, name, set(columns), file)
        key = there.get_pk_constraint(name)["constrained_columns"]
        if len(key) == 1 and isinstance(columns[key[0]]["type"], Integer) and columns[key[0]].get("autoincrement"):
            count_on(connection, key[0], name)
        step("rows", number, len(in_order))


def _check_rows(connection: Connection, manifest: Manifest) -> None:
    for name, told in manifest.rows.items():
        found = connection.execute(sql(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608 — a table of ours
        if found != told:
            raise StoreError(
                f"Expected {told:,} rows of {name} as the backup tells, got {found:,}. Nothing was restored."
            )


def _require_empty(connection: Connection, wanted: str) -> None:
    there = inspect(connection)
    names = set(there.get_table_names())
    held = [
        name
        for name in sorted(names - _ITS_OWN)
        if connection.execute(sql(f'SELECT 1 FROM "{name}" LIMIT 1')).first() is not None  # noqa: S608 — a name it has
    ]
    if held:
        raise UsageError(
            f"Expected an empty store to restore into, and {len(held)} of its tables hold rows. "
            "Give another address with --store; nothing was changed."
        )
    if names and stored_version(connection) not in (None, wanted):
        raise UsageError(
            f"Expected a place without a store, or an empty one of version {wanted}, got {stored_version(connection)}. "
            "Give another address with --store; nothing was changed."
        )


def _shown(store: Store) -> tuple[int | None, list[str]]:
    """The moment that the service shows first, and what keeps it from showing one."""
    with store.reading() as connection:
        if connection.execute(sql("SELECT 1 FROM risk LIMIT 1")).first() is None:
            return None, []
    try:
        return load(store, minimum=10).as_of, []
    except HeedError as error:
        return None, [str(error)]


def _check_models_folder(models: Path) -> None:
    if models.exists() and (not models.is_dir() or any(models.iterdir())):
        raise UsageError(
            f"Expected an empty folder for the models, or none, at {models}. Give another with --models; nothing was "
            "changed."
        )
    if not models.parent.is_dir():
        raise UsageError(f"There is no folder {models.parent}. Make it first, or give another with --models.")


@contextmanager
def _models_staged(archive: Archive, models: Path) -> Iterator[Path | None]:
    """The models of a backup, in a folder beside the one they belong in; None: it holds none."""
    names = archive.names("models")
    if not names:
        yield None
        return
    staged = Path(tempfile.mkdtemp(prefix=f".{models.name}.", dir=models.parent))
    was_there = models.exists()
    try:
        for name in names:
            target = staged / name.removeprefix("models/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
        yield staged
    except BaseException:
        if not staged.exists():
            # Moved already, and then the store could not be committed.
            shutil.rmtree(models, ignore_errors=True)
            if was_there:
                models.mkdir()
        raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _move(staged: Path, models: Path) -> None:
    try:
        staged.rename(models)  # over an empty folder, too
        sync_folder(models.parent)
    except OSError as error:
        raise StoreError(f"The models could not be put in place ({error.strerror}). Nothing was restored.") from None


@contextmanager
def _undone(file: Path | None) -> Iterator[None]:
    """Take a file away again that was not there before, if what follows fails."""
    new = file is not None and not file.exists()
    try:
        yield
    except BaseException as error:
        if new and file is not None:
            for path in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm", "-journal"))):
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreError(f"The backup could not be restored ({error.strerror}). Nothing is left of it.") from None
        raise


def _silent(_step: str, _done: int, _total: int) -> None:
    return None
