"""What every subcommand shares: the store, the places of models, progress, and how results are shown."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from data.errors import UsageError
from service.cli._on_demand import CommandsOnDemand

if TYPE_CHECKING:
    from data.store import Store
    from models.registry import Registry
    from service.settings import Settings

app = typer.Typer(
    name="heed",
    cls=CommandsOnDemand,
    help="Early warning for public casework: which cases an office is about to fail, and what quietly grows where.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

# Figures go to stdout, everything that only a person watching wants goes to stderr.
# Names are told as they are: no colon in them is an emoji.
out = Console(soft_wrap=True, emoji=False)
err = Console(stderr=True, emoji=False)


def _answer_in_json(asked: bool) -> bool:
    state.json = state.json or asked
    return asked


Json = Annotated[
    bool,
    typer.Option("--json", callback=_answer_in_json, help="Print one JSON object and nothing else on stdout."),
]

Step = Callable[[str, int, int], None]


@dataclass
class _State:
    store_url: str | None = None
    json: bool = False


state = _State()


@app.callback()
def _options(
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            help="sqlite:///FILE, a file name, or postgresql+psycopg://…",
            envvar="HEED_STORE_URL",
        ),
    ] = None,
) -> None:
    state.store_url = store
    state.json = False


def settings(**given: Any) -> Settings:
    """The settings from the environment, with what the command line says on top."""
    from service.settings import Settings  # noqa: PLC0415 (the help does without)

    if state.store_url:
        given["store_url"] = state.store_url
    return Settings.read(**given)


def open_store(*, create: bool = False) -> Store:
    """The store that the command works on."""
    from data.store import Store  # noqa: PLC0415 (the help does without)

    return Store.open(settings().store_url, create=create)


def open_registry() -> Registry:
    """The folder of models that belongs to the store."""
    from models.registry import Registry  # noqa: PLC0415 (the help does without)

    return Registry(settings().models_folder())


def emit(result: dict[str, Any]) -> None:
    """Print a result for a machine."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Step]:
    """A progress bar on a terminal, and nothing at all in a pipe."""
    if quiet or not err.is_terminal:
        yield lambda _text, _done, _total: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def step(text: str, done: int, total: int) -> None:
            if text not in tasks:
                tasks[text] = bar.add_task(text, total=None)
            # A total of 0 is not known yet.
            bar.update(tasks[text], completed=done, total=total or None)

        yield step


def moment(text: str | None, default: int, option: str) -> int:
    """A moment given on the command line, as seconds in UTC; `default` where none was given.

    Raises
    ------
    UsageError
        If it cannot be read, or has no time zone.
    """
    if text is None:
        return default
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{option}: expected a moment such as 2025-12-16T08:30+08:00, and could not read what came."
        ) from error
    if value.tzinfo is None:
        raise UsageError(
            f"{option}: expected a moment with its time zone, such as 2025-12-16T08:30+08:00; add the offset."
        )
    return int(value.timestamp())


def past_moment(text: str | None, option: str) -> int | None:
    """A moment that results are stored of; None where none was given.

    What is stored of a moment to come would count as the newest until then, before everything that is worked out
    meanwhile.

    Raises
    ------
    UsageError
        If it cannot be read, has no time zone, or has not come yet.
    """
    if text is None:
        return None
    found = moment(text, 0, option)
    if found > int(time.time()):
        raise UsageError(f"{option}: expected a moment that has come, got one ahead. Leave it out for the newest.")
    return found


def shown(ts: int) -> str:
    """Seconds in UTC as ISO text."""
    return datetime.fromtimestamp(ts, UTC).isoformat().replace("+00:00", "Z")
