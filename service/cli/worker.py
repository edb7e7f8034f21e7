"""`heed worker`: does what the timetable and the queue of jobs ask for."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from service.cli._app import app, open_store, progress, settings


@app.command("worker")
def worker(
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing is due, in place of waiting for more.")
    ] = False,
    schedules: Annotated[
        Path | None,
        typer.Option("--schedules", metavar="FILE", help="Timetable (TOML); else the one HEED_SCHEDULES_FILE names."),
    ] = None,
) -> None:
    """Do jobs until told to stop (SIGTERM or Ctrl+C): those that are added, and those of a timetable.

    Any number of workers may share a store. One that is told to stop hands its job back where that next says how far
    it is; told twice, at once. All need the same HEED_JOB_LEASE_SECONDS, and a PostgreSQL store the same folder of
    models.

    Example: heed --store heed.db worker --schedules schedules.toml
    """
    # Here, and not above: every other command would wait for it.
    from service.jobs.kinds import KINDS  # noqa: PLC0415
    from service.jobs.schedule import ScheduleFile  # noqa: PLC0415
    from service.jobs.worker import StopNowError, Worker  # noqa: PLC0415
    from service.logs import configure  # noqa: PLC0415

    chosen = settings()
    path = schedules or chosen.schedules_file
    timetable = None if path is None else ScheduleFile.read(path, chosen)
    configure(chosen)
    with open_store(create=True) as store, progress() as step:
        made = Worker(store, chosen, KINDS, schedules=timetable, watch=step)
        asked = False

        def stop(_number: int, _frame: FrameType | None) -> None:
            nonlocal asked
            if asked:
                raise StopNowError
            asked = True
            made.stop()

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            made.run(once=once)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
