"""`heed jobs`: put jobs into the queue, see what became of them, cancel them."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from data.errors import UsageError
from service.cli._app import Json, app, emit, moment, open_store, out, settings, shown

group = typer.Typer(
    help="The queue of jobs: list, show, add, cancel.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(group, name="jobs")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job, or the beginning of it.")]

_TIMES: Final = ("created_at", "not_before", "started_at", "finished_at", "lease_until")


@group.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option("--state", help="Only queued, running, done, failed or cancelled ones.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only of this kind, such as score.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The newest so many.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, the one added last first.

    Example: heed --store heed.db jobs list --state failed
    """
    from service.jobs.queue import STATES, newest  # noqa: PLC0415 — here and below: it takes a while to load

    if state is not None and state not in STATES:
        raise UsageError(f"--state: expected one of {', '.join(STATES)}.")
    with open_store() as store, store.reading() as connection:
        found = newest(connection, limit=limit, state=state, kind=kind)
    if as_json:
        emit({"jobs": [_plain(job) for job in found]})
    elif found:
        out.print(_table(found))
    else:
        out.print("No jobs.")


@group.command("show")
def show(job: JobId, as_json: Json = False) -> None:
    """Show one job: how far it is, what it made, or why it failed.

    Example: heed --store heed.db jobs show 9f2c
    """
    from service.jobs.queue import find  # noqa: PLC0415

    with open_store() as store, store.reading() as connection:
        found = find(connection, _whole(connection, job))
    if as_json:
        emit(_plain(found))
    else:
        _tell(_plain(found))


@group.command("add")
def add(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="score, detect, train, sync, report, …")],
    argument: Annotated[
        list[str] | None, typer.Option("--argument", metavar="NAME=VALUE", help="For the kind; several times.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="MOMENT", help="Not to begin before this; else at once.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a job; a worker does it.

    Example: heed --store heed.db jobs add train --argument promote=false
    """
    from service.jobs.kinds import checked  # noqa: PLC0415
    from service.jobs.queue import COMMAND, enqueue  # noqa: PLC0415

    now = int(time.time())
    not_before = None if at is None else moment(at, now, "--at")
    arguments = checked(kind, _read(argument or []), settings())
    with open_store(create=True) as store, store.writing() as connection:
        made, _new = enqueue(connection, kind, arguments, by=COMMAND, now=now, not_before=not_before)
    if as_json:
        emit(_plain(made))
    else:
        out.print(f"{made.job_id}: {kind} added. What becomes of it: heed jobs show {made.job_id}")


@group.command("cancel")
def cancel_(job: JobId, as_json: Json = False) -> None:
    """Cancel a job: a queued one at once, a running one where it next says how far it is.

    Example: heed --store heed.db jobs cancel 9f2c
    """
    from service.jobs.queue import COMMAND, cancel  # noqa: PLC0415

    with open_store() as store, store.writing() as connection:
        found = cancel(connection, _whole(connection, job), by=COMMAND, now=int(time.time()))
    plain = _plain(found)
    if as_json:
        emit(plain)
    elif plain["state"] == "running":
        out.print(f"{plain['id']}: asked to stop.")
    else:
        out.print(f"{plain['id']}: {plain['state']}.")


def _whole(connection: Any, beginning: str) -> str:
    """The id that begins like this."""
    from service.jobs.queue import ids_like  # noqa: PLC0415

    found = ids_like(connection, beginning)
    if len(found) != 1:
        told = "none does" if not found else "several do"
        raise UsageError(f"Expected an id that one job begins with; {told}. `heed jobs list` shows the ids.")
    return found[0]


def _read(arguments: list[str]) -> dict[str, Any]:
    """`NAME=VALUE` texts; a value that is JSON counts as that, any other as text."""
    found: dict[str, Any] = {}
    for one in arguments:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError("--argument: expected NAME=VALUE, such as --argument promote=false.")
        try:
            found[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            found[name.strip()] = value
    return found


def _plain(job: Any) -> dict[str, Any]:
    """A job as plain values; moments as ISO text in UTC."""
    names = (
        "kind",
        "arguments",
        "pinned",
        "state",
        "created_by",
        "once_key",
        "attempts",
        "holder",
        "cancel_asked",
        "result",
        "problem",
    )
    times = {name: None if getattr(job, name) is None else shown(getattr(job, name)) for name in _TIMES}
    progress = None if job.step is None else {"step": job.step, "done": job.steps_done, "total": job.steps_total}
    return {"id": job.job_id, **{name: getattr(job, name) for name in names}, **times, "progress": progress}


def _table(jobs: list[Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("job", "kind", "state", "added", "attempts", ""):
        table.add_column(name, no_wrap=bool(name))
    for job in jobs:
        plain = _plain(job)
        table.add_row(job.job_id, job.kind, job.state, plain["created_at"], str(job.attempts), escape(_said(plain)))
    return table


def _said(plain: dict[str, Any]) -> str:
    """The most telling thing about a job, in a line."""
    if plain["problem"] is not None:
        return str(plain["problem"]["title"])
    if plain["progress"] is not None:
        total = f" of {plain['progress']['total']:,}" if plain["progress"]["total"] else ""
        return f"{plain['progress']['step']} {plain['progress']['done']:,}{total}"
    return "" if plain["once_key"] is None else str(plain["once_key"])


def _tell(plain: dict[str, Any]) -> None:
    out.print(f"{plain['id']}: {plain['kind']}, {plain['state']}, begun {plain['attempts']} times", highlight=False)
    for name in ("created_at", "started_at", "finished_at"):
        if plain[name] is not None:
            out.print(f"  {name}: {plain[name]}", highlight=False)
    if plain["progress"] is not None:
        out.print(f"  {_said(plain)}", highlight=False, markup=False)
    for name in ("arguments", "result"):
        for key, value in (plain[name] or {}).items():
            out.print(f"  {key}: {json.dumps(value, ensure_ascii=False)}", highlight=False, markup=False)
    if plain["problem"] is not None:
        out.print(f"  {plain['problem']['title']}: {plain['problem']['detail']}", highlight=False, markup=False)
