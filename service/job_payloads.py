"""What jobs are asked with and answer with, as types: the arguments of each kind, and a job as the API tells it.

The arguments are the same for the API, the command and the timetable. None is a path, and none is free text: where a
job writes files is decided by the settings, and what they are called by the job.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from service.jobs.queue import Job
from service.language import LanguageQuery, Words

Kind = Literal["sync", "score", "detect", "train", "backtest", "report", "retain", "backup"]
Outcome = Literal["late", "unresolved", "reopened", "handed_up"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
Pages = Literal["en", "zh"]


def _as_written(value: Any) -> Any:
    # Not the numbers that pydantic takes as well: whether they are seconds or milliseconds it would guess.
    if isinstance(value, str) and _RFC_3339.fullmatch(value):
        return value
    raise PydanticCustomError(*_NO_MOMENT)


def _in_range(value: datetime) -> datetime:
    if not _FIRST <= value <= _LAST:
        raise PydanticCustomError(*_NO_MOMENT)
    return value


def _not_ahead(value: datetime) -> datetime:
    # What is stored of a later moment would count as the newest until then, and models that learned up to it could
    # score nothing before it.
    if value > datetime.now(UTC):
        raise PydanticCustomError(*_AHEAD)
    return value


_NO_MOMENT: Final = ("rfc_3339", "expected a moment with its offset, such as 2026-03-02T08:30:00+08:00")
_AHEAD: Final = ("moment_ahead", "expected a moment no later than now")
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2199, 12, 31, tzinfo=UTC)
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
Moment = Annotated[AwareDatetime, BeforeValidator(_as_written), AfterValidator(_in_range)]
_AS_OF: Final = "Use only what was known before this moment; without it, all that is known when the job is first begun."
AsOf = Annotated[Annotated[Moment, AfterValidator(_not_ahead)] | None, Field(description=_AS_OF)]


class Arguments(BaseModel):
    """What a job is asked with; nothing but what its kind knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoArguments(Arguments):
    """Nothing can be chosen."""


class SyncArguments(Arguments):
    """Fetch what is new at a portal."""

    name: str = Field(
        pattern="^[a-z0-9_]{1,64}$",
        description="A mapping with [sync]: one that heed ships, or one in the folder NAME.mappings beside the store.",
    )
    since: date | None = Field(default=None, description="Look again at cases opened on this local day or later.")
    until: date | None = Field(default=None, description="… and before this day.")


class ScoreArguments(Arguments):
    """Score the open cases."""

    as_of: AsOf = None


class DetectArguments(Arguments):
    """Find weak signals and measure pressure."""

    as_of: AsOf = None
    fdr_level: float = Field(
        default=0.10, gt=0, lt=1, description="Share of false alarms accepted among the signals of a week."
    )


class TrainArguments(Arguments):
    """Train the models."""

    as_of: AsOf = None
    outcomes: tuple[Outcome, ...] | None = Field(
        default=None, min_length=1, description="What the office may fail at; all four by default."
    )
    promote: bool = Field(default=True, description="Put the new models to use.")


class BacktestArguments(Arguments):
    """Cut the history again and again, and judge models made at each cut by what came next."""

    outcome: Outcome = "late"
    folds: int = Field(default=5, ge=1, le=24, description="How many cuts, one after another.")
    window: Literal["expanding", "sliding"] = "expanding"
    language: Pages = Field(default="en", description="Of the page.")


class ReportArguments(Arguments):
    """Check what the store holds, as a page."""

    as_of: AsOf = None
    language: Pages = Field(default="en", description="Of the page.")


class RetainArguments(Arguments):
    """Let go of what is kept no longer."""

    dry_run: bool = Field(default=False, description="Count, and delete nothing.")


class _NewJob(BaseModel):
    model_config = ConfigDict(extra="forbid")

    not_before: Moment | None = Field(default=None, description="When it may begin; without it, at once.")


def _example(kind: str, **arguments: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": kind, "arguments": arguments}]})


class NewSync(_NewJob):
    """A sync."""

    model_config = _example("sync", name="new_york")

    kind: Literal["sync"]
    arguments: SyncArguments


class NewScore(_NewJob):
    """A scoring."""

    model_config = _example("score")

    kind: Literal["score"]
    arguments: ScoreArguments = ScoreArguments()


class NewDetect(_NewJob):
    """A detection."""

    model_config = _example("detect", fdr_level=0.1)

    kind: Literal["detect"]
    arguments: DetectArguments = DetectArguments()


class NewTrain(_NewJob):
    """A training."""

    model_config = _example("train", outcomes=["late"], promote=False)

    kind: Literal["train"]
    arguments: TrainArguments = TrainArguments()


class NewBacktest(_NewJob):
    """A back-test."""

    model_config = _example("backtest", outcome="late", folds=5)

    kind: Literal["backtest"]
    arguments: BacktestArguments = BacktestArguments()


class NewReport(_NewJob):
    """A report of a check."""

    model_config = _example("report", language="zh")

    kind: Literal["report"]
    arguments: ReportArguments = ReportArguments()


class NewRetain(_NewJob):
    """A retention."""

    model_config = _example("retain", dry_run=True)

    kind: Literal["retain"]
    arguments: RetainArguments = RetainArguments()


class NewBackup(_NewJob):
    """A backup."""

    model_config = _example("backup")

    kind: Literal["backup"]
    arguments: NoArguments = NoArguments()


NewJob = Annotated[
    NewSync | NewScore | NewDetect | NewTrain | NewBacktest | NewReport | NewRetain | NewBackup,
    Field(discriminator="kind"),
]


class JobProgress(BaseModel):
    """How far a job was at its last sign of life."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"step": "score", "done": 1, "total": 3}]})

    step: str
    done: int
    total: int | None = Field(description="Null where it is not known.")


class JobProblem(BaseModel):
    """Why a job failed, as in an RFC 9457 problem."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:heed:problem:not-enough-data",
                    "title": "Not enough data",
                    "detail": "The store is empty. Import something first: `heed import FILE`.",
                }
            ]
        }
    )

    type: str = Field(description="A URN that stays the same for the same kind of problem.")
    title: str
    detail: str


class JobItem(BaseModel):
    """One job."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "9f2c4b7a10d35e68",
                    "kind": "score",
                    "arguments": {"as_of": None},
                    "state": "running",
                    "created_at": "2026-03-02T06:30:00+08:00",
                    "not_before": "2026-03-02T06:30:00+08:00",
                    "started_at": "2026-03-02T06:30:01+08:00",
                    "finished_at": None,
                    "as_of": "2026-03-02T06:28:10+08:00",
                    "attempts": 1,
                    "cancel_asked": False,
                    "progress": {"step": "score", "done": 1, "total": 3},
                    "result": None,
                    "problem": None,
                }
            ]
        }
    )

    id: str
    kind: Kind
    arguments: dict[str, Any] = Field(description="As they were given, with defaults.")
    state: JobState
    created_at: datetime
    not_before: datetime
    started_at: datetime | None = Field(description="When it was first begun; null before.")
    finished_at: datetime | None
    as_of: datetime | None = Field(
        description="The moment that it asks about, fixed when it is first begun; null where it asks about none."
    )
    attempts: int = Field(description="How often it was begun.")
    cancel_asked: bool
    progress: JobProgress | None = Field(description="While it runs; null before the first step and afterwards.")
    result: dict[str, Any] | None = Field(description="Counts and names of what a job that is done has made.")
    problem: JobProblem | None = Field(description="Of a job that failed.")


class JobList(BaseModel):
    """Jobs, the one added last first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"jobs": [], "next": None}]})

    jobs: list[JobItem]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class JobQuery(LanguageQuery):
    """A page of jobs."""

    state: JobState | None = Field(default=None, description="Only jobs in this state.")
    kind: Kind | None = Field(default=None, description="Only jobs of this kind.")
    cursor: str | None = Field(
        default=None, max_length=200, description="Where the page before ended, as `next` gave it."
    )
    limit: int = Field(default=50, ge=1, le=200, description="Jobs on a page.")


def job_item(job: Job, zone: tzinfo = UTC, words: Words | None = None) -> JobItem:
    """A job as it is told: moments on a clock, and messages in a language, English without `words`."""

    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, zone)

    def said(message: str) -> str:
        return message if words is None else words.gettext(message)

    problem = None
    if job.problem is not None:
        problem = JobProblem(
            type=job.problem["type"], title=said(job.problem["title"]), detail=said(job.problem["detail"])
        )
    progress = None
    if job.step is not None:
        progress = JobProgress(step=job.step, done=job.steps_done or 0, total=job.steps_total or None)
    return JobItem(
        id=job.job_id,
        kind=cast(Kind, job.kind),
        arguments=dict(job.arguments),
        state=job.state,
        created_at=datetime.fromtimestamp(job.created_at, zone),
        not_before=datetime.fromtimestamp(job.not_before, zone),
        started_at=at(job.started_at),
        finished_at=at(job.finished_at),
        as_of=_as_of(job, zone),
        attempts=job.attempts,
        cancel_asked=job.cancel_asked,
        progress=progress,
        result=None if job.result is None else dict(job.result),
        problem=problem,
    )


def _as_of(job: Job, zone: tzinfo) -> datetime | None:
    pinned = job.pinned.get("as_of")
    if pinned is not None:
        return datetime.fromtimestamp(int(pinned), zone)
    given = job.arguments.get("as_of")
    return None if given is None else datetime.fromisoformat(str(given)).astimezone(zone)
