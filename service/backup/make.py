"""Making a backup: one snapshot of all tables, the models, and the settings that are no secrets."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from data import tables
from data.audit_log import Act, append
from data.errors import StoreError, UsageError
from data.migrate import current_version
from data.store import Store
from data.store_audit import appending, head_of
from models.registry.files import UNFINISHED, one_writer, sync_folder
from service.backup.archive import FileSum, Manifest, Progress, manifest_pair, may_be_called, pack, sum_of
from service.backup.rows import write_rows
from service.settings import Settings

# What only this machine or nobody else should know. An address of a store may hold a password.
_NOT_TOLD: Final = frozenset({"store_url", "tls_key"})
_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made."""

    path: Path
    bytes: int
    seconds: float
    manifest: Manifest


def back_up(
    store: Store,
    settings: Settings,
    output: Path,
    *,
    actor: str = "command",
    replace: bool = False,
    now: int | None = None,
    progress: Progress | None = None,
) -> Backup:
    """Write all that a store holds, with its models and settings, to an archive that only its owner may read.

    Everything in it is of one moment; writers go on meanwhile. It holds the key of case ids and the hashes of API keys:
    keep it as safe as the store. That it was made is an entry of the audit trail, the newest one in it.

    Parameters
    ----------
    settings : say where the models are
    output : a file that ends in `.tar`, or else a folder; it is there whole, or not there
    actor : what the audit trail calls whoever asked for it
    replace : let a file (not a folder) that is there already make way
    now : seconds in UTC; None: this moment
    progress : called as (table, rows written, 0), and at the end

    Raises
    ------
    UsageError
        If there is something at `output` already, or it cannot be written to.
    StoreError
        If the store cannot be read, or the audit trail not be written to.
    """
    started = time.perf_counter()
    moment = int(time.time()) if now is None else now
    _check_output(output, replace=replace)
    with appending(store, patience=_PATIENCE) as connection:
        append(connection, [Act.own(actor, "store.backup")], now=now)
    with _staging(output) as staged:
        manifest = _gather(store, settings, staged, moment, progress or _silent)
        _put_in_place(staged, output, manifest)
    size = output.stat().st_size if output.is_file() else sum(one.bytes for one in manifest.files.values())
    return Backup(output, size, time.perf_counter() - started, manifest)


def _gather(store: Store, settings: Settings, staged: Path, moment: int, progress: Progress) -> Manifest:
    (staged / "tables").mkdir(mode=0o700)
    rows: dict[str, int] = {}
    with store.reading() as connection:
        for number, table in enumerate(tables.metadata.sorted_tables, start=1):
            rows[table.name] = write_rows(connection, table, staged / "tables" / f"{table.name}.parquet")
            progress("tables", number, len(tables.metadata.tables))
        head = head_of(connection)
    _copy_models(settings.models_folder(), staged / "models")
    (staged / "settings.json").write_text(_told(settings))
    names = sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file())
    if strange := [name for name in names if not may_be_called(name)]:
        raise UsageError(
            f"The folder of models holds {len(strange)} files that heed doesn't write. Take them away, then try again."
        )
    files: dict[str, FileSum] = {}
    for number, name in enumerate(names, start=1):
        (staged / name).chmod(0o600)
        files[name] = sum_of(staged / name)
        progress("hash", number, len(names))
    manifest = Manifest(
        made_at=moment,
        heed=version("heed"),
        store_version=current_version(),
        engine=store.engine.dialect.name,
        rows=rows,
        audit_head=str(head),
        files=files,
    )
    for name, content in manifest_pair(manifest).items():
        (staged / name).write_bytes(content)
        (staged / name).chmod(0o600)
    return manifest


def _copy_models(folder: Path, target: Path) -> None:
    """Copy the models while nobody saves, promotes or prunes."""
    if not folder.is_dir():
        return
    with one_writer(folder, patience=_PATIENCE):
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns(f"{UNFINISHED}*", ".lock"))


def _told(settings: Settings) -> str:
    """The settings that are no secrets, for whoever sets up a machine anew; `heed restore` does not use them."""
    told: Mapping[str, object] = settings.model_dump(mode="json", exclude=set(_NOT_TOLD))
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


@contextmanager
def _staging(output: Path) -> Iterator[Path]:
    """A folder beside the target that only its owner can look into, gone at the end whatever happens."""
    try:
        staged = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise _not_written(output, error) from None
    try:
        yield staged
    except OSError as error:
        raise _not_written(output, error) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _put_in_place(staged: Path, output: Path, manifest: Manifest) -> None:
    own = [*manifest_pair(manifest)]
    if output.suffix != ".tar":
        for name in (*manifest.files, *own):
            _sync(staged / name)
        staged.rename(output)
    else:
        packed = staged / "packed.tar"
        packed.touch(mode=0o600)
        with packed.open("wb") as file:
            pack(staged, [*own, *manifest.files], file, made_at=manifest.made_at)
            file.flush()
            os.fsync(file.fileno())
        packed.rename(output)
    sync_folder(output.parent)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _check_output(output: Path, *, replace: bool) -> None:
    if not output.parent.is_dir():
        raise UsageError(f"--output: {output} cannot be written: there is no such folder. Give another path.")
    if output.exists() and not (replace and output.is_file()):
        raise UsageError(f"--output: {output} is there already. Give another path; no backup is written over.")


def _not_written(output: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{output.name} could not be written ({error.strerror}); nothing of it is left. Check space and rights there."
    )


def _silent(_step: str, _done: int, _total: int) -> None:
    return None
