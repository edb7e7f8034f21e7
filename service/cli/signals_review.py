"""`heed signals review`: what became of a signal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from models.signals.reviews import REASONS, STATUSES
from service.cli._app import Json, emit, open_store, out
from service.places import Places
from service.signal_reviews import review as write_down


def review(
    signal: Annotated[str, typer.Argument(metavar="SIGNAL", help="The id of a signal, or the beginning of it.")],
    status: Annotated[str, typer.Option("--status", help=f"One of {', '.join(STATUSES[1:])}.")],
    reason: Annotated[str | None, typer.Option("--reason", help=f"Why it is dismissed: {', '.join(REASONS)}.")] = None,
    as_json: Json = False,
) -> None:
    """Write down what became of a signal: so later ones can say how signals of their kind turned out.

    Every step is kept. Nothing is recorded of who looked.

    Example: heed --store heed.db signals review 3f2a --status confirmed
    """
    with open_store() as store:
        step = write_down(store, signal, status, reason)
    if as_json:
        emit(asdict(step))
    else:
        why = "" if step.reason is None else f" ({REASONS[step.reason]['en']})"
        what = f"{escape(step.category)} in {escape(Places.plain_area(step.area))}, {step.direction}"
        out.print(f"{what}: {step.before} → {step.status}{why}.")
