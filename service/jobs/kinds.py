"""What jobs there are: for each kind its arguments, and who does it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from data.errors import UsageError
from service.job_payloads import (
    BacktestArguments,
    DetectArguments,
    NoArguments,
    ReportArguments,
    RetainArguments,
    ScoreArguments,
    SyncArguments,
    TrainArguments,
)
from service.jobs import runs
from service.jobs.work import Kind
from service.settings import Settings

KINDS: Final[Mapping[str, Kind]] = {
    "sync": Kind(SyncArguments, runs.sync, check=runs.check_sync, alone=True),
    "score": Kind(ScoreArguments, runs.score, pin=runs.pin_moment_asked),
    "detect": Kind(DetectArguments, runs.detect, pin=runs.pin_moment_asked),
    "train": Kind(TrainArguments, runs.train, pin=runs.pin_training, alone=True),
    "backtest": Kind(BacktestArguments, runs.backtest, pin=runs.pin_now),
    "report": Kind(ReportArguments, runs.report, pin=runs.pin_moment_asked),
    "retain": Kind(RetainArguments, runs.retain, pin=runs.pin_moment_of_clock, alone=True),
    "backup": Kind(NoArguments, runs.backup, alone=True),
}


def checked(kind: str, arguments: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The arguments of a job as they are stored, with defaults.

    Raises
    ------
    UsageError
        If there is no such kind, or it does not take such arguments. Says what was expected and not what came.
    """
    known = KINDS.get(kind)
    if known is None:
        raise UsageError(f"Expected one of {', '.join(KINDS)} as the kind of a job.")
    try:
        # As JSON, so that moments may be text, and dates of TOML are read as well.
        read = known.arguments.model_validate_json(json.dumps(dict(arguments), default=str))
    except ValidationError as error:
        lines = dict.fromkeys(_told(known.arguments, item) for item in error.errors(include_input=False))
        raise UsageError(f"Arguments of {kind}: {'; '.join(lines)}.") from None
    if known.check is not None:
        known.check(read, settings)
    return read.model_dump(mode="json")


def _told(model: type[BaseModel], item: Any) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    if name not in model.model_fields:
        return f"expected {', '.join(model.model_fields) or 'none'}, and no others"
    return f"{name}: {item['msg'][0].lower()}{item['msg'][1:]}"
