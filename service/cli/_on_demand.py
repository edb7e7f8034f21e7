"""The commands by name, each imported when it is asked for.

Some bring libraries that take seconds to load; whoever lists keys, or reads the help, does without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

# Name -> the module that adds it to `service.cli._app.app` when it is imported, and what the overview says of it.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "as-of": ("as_of", "What was known at a moment: the open cases, the figures and how timely the offices were."),
    "audit": ("audit", "The audit trail: verify it, show its entries, print its head."),
    "backtest": (
        "backtest",
        "Cut the history again and again, train on what was known at each cut, and test on what came next.",
    ),
    "backup": ("backup", "Back up a store with its models, and verify backups."),
    "board": ("board", "The echo board: how it stands, and withdrawing one."),
    "boundary": ("boundary", "What heed must never be made to do, and the proof that it does not."),
    "check": ("checking", "Check an export before it is imported (nothing is stored), or what a store holds."),
    "clock": ("clock", "Service standards: what is promised, when it falls due, and why."),
    "config": ("config", "Show and check the settings (HEED_… variables)."),
    "demo": ("demo", "Simulate a city, import, train, score, detect, and serve it."),
    "features": ("features", "The features: what they mean, and their values."),
    "import": ("importing", "Import exports, each with all its rows or none."),
    "imports": (
        "imports",
        "List the imports, oldest first: file, counts, dropped columns, rows set aside, and anything forced.",
    ),
    "jobs": ("jobs", "The queue of jobs: list, show, add, cancel."),
    "keys": ("keys", "Keys of desks and programs that may ask the service."),
    "models": ("models_gates", "The models of a store: list, show, compare, promote, roll back, verify, prune, sign."),
    "places": ("places", "Areas, offices and categories: names, parents, boundaries, capacities."),
    "restore": ("backup", "Put a backup into an empty store: all of it, or nothing."),
    "retain": ("retain", "Let go of old risks, finished jobs, answered requests, and the old end of the audit trail."),
    "score": ("scoring", "Score the open cases with the model in use, and store risk and reasons."),
    "serve": ("serve", "Serve the pages and the API."),
    "signals": ("signals", "Find weak signals in the newest complete week, and measure pressure; store both."),
    "sync": ("sync", "Fetch what is new at a portal and import it, all rows or none; made to be run by cron."),
    "train": ("train", "Train the risk models of all failures, save them and put them to use."),
    "what-if": (
        "what_if",
        "Tell how past cases went in which an office did one thing more; refused where the data never saw its like.",
    ),
    "worker": (
        "worker",
        "Do jobs until told to stop (SIGTERM or Ctrl+C): those that are added, and those of a timetable.",
    ),
}


class OnDemand(Mapping[str, Any]):
    """The commands by name.

    Parameters
    ----------
    made : those whose modules have been imported
    """

    def __init__(self, made: Mapping[str, Any]) -> None:
        self._made = dict(made)

    def __getitem__(self, name: str) -> Any:
        if name not in self._made and name in COMMANDS:
            import_module(f"service.cli.{COMMANDS[name][0]}")
            app = import_module("service.cli._app").app
            whole: Any = typer.main.get_command(app)
            self._made |= whole.commands._made
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class CommandsOnDemand(TyperGroup):
    """A group that lists its commands without importing them."""

    def __init__(self, *, commands: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = OnDemand(commands or {})

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (the parent's signature)
        """The overview of the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
