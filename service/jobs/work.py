"""What a kind of job is, and what one attempt is given and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from data.store import Store
from service.jobs.heartbeat import Step
from service.jobs.lease import Effect
from service.jobs.queue import Job
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt, as the kind sees it.

    Attributes
    ----------
    store : writes to it are refused once the job is another's
    job : with what was pinned for it
    arguments : of the type that the kind names
    settings : of the worker
    progress : to be called often, as (step, done, total); raises where the attempt is to end
    """

    store: Store
    job: Job
    arguments: Any
    settings: Settings
    progress: Step


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt found: counts and names, and what is still to be stored in the transaction that ends the job."""

    result: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job.

    Attributes
    ----------
    arguments : what it takes
    run : does it
    pin : what the first attempt fixes for all later ones, as JSON values
    check : raises UsageError for arguments that no attempt could use
    alone : whether one job of it runs at a time
    """

    arguments: type[BaseModel]
    run: Callable[[Work], Outcome]
    pin: Callable[[Store, Any, Settings], Mapping[str, Any]] | None = None
    check: Callable[[Any, Settings], None] | None = None
    alone: bool = False
