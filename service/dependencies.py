"""What routes are given: the store to answer from, and the language to answer in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from service.language import Words
from service.problems import request_words
from service.reads import Reads, Snapshot


@dataclass(frozen=True, slots=True)
class Telling:
    """How a snapshot is told: in which words, on which clock, with which names."""

    snapshot: Snapshot
    words: Words

    @property
    def time_zone(self) -> ZoneInfo:
        """The clock of the city."""
        return self.snapshot.time_zone

    @property
    def as_of(self) -> datetime:
        """The moment of the scoring, on the clock of the city."""
        return datetime.fromtimestamp(self.snapshot.as_of, self.time_zone)


def _reads(request: Request) -> Reads:
    reads: Reads = request.app.state.reads
    return reads


Source = Annotated[Reads, Depends(_reads)]
Spoken = Annotated[Words, Depends(request_words)]


def _telling(reads: Source, words: Spoken) -> Telling:
    return Telling(reads.current(), words)


Told = Annotated[Telling, Depends(_telling)]
