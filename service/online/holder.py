"""Which models and which index are in use, and how they are exchanged without a pause.

Whoever answers a request asks once for what is in use and keeps that until he is done. Meanwhile another version may be
promoted, or rolled back, or a new scoring may have left a new index: the folders are looked at every now and then
(`recheck_seconds`), what is new is loaded and tried beside the old, and then takes its place in one step. What cannot
be loaded is refused, and the old stays.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.boundary import refuse
from data.errors import HeedError
from data.event_log import NEVER
from data.schema import EventKind
from features.one_case import OneCase, OneEvent, step_code
from models.failures import FailureModels
from models.lineage import require_usable
from models.registry import Registry
from service.language import marked
from service.online.saved_index import newest_index, open_index
from service.online.scorer import Scorer
from service.training import FAILURES

logger = logging.getLogger("heed.service")

# What was refused is tried again after so many seconds, since a folder can be mended in place.
RETRY_SECONDS: Final = 30.0
_HOUR: Final = 3_600


class NotScoredError(HeedError):
    """There are no models in use yet, or no index of a scoring to work out features from."""

    status = 503
    title = marked("Nothing to score with yet")


_NO_MODELS: Final = marked("There are no models in use yet. Make them with `heed train`, then run `heed score`.")
_NO_INDEX: Final = marked("There is no event index of a scoring yet. Run `heed score` first.")
_REFUSED: Final = marked("The models or the event index cannot be used. `/health/ready` and the log tell why.")


@dataclass(frozen=True, slots=True)
class Refused:
    """A version, with an index, that could not be put to use, and why."""

    version: str
    index: str
    why: str


@dataclass(frozen=True, slots=True)
class Status:
    """What is in use, for whoever asks whether the service is ready.

    Attributes
    ----------
    version : of the models in use; None: none yet
    as_of : the moment of the index in use, seconds in UTC; None: none yet
    champion : the version that the registry says should be in use; None: none, or not looked yet
    refused : what is not in use although it should be; None: nothing
    """

    version: str | None
    as_of: int | None
    champion: str | None
    refused: Refused | None


class ModelHolder:
    """What is in use. Safe to ask from several threads.

    Parameters
    ----------
    registry : of the models
    index_folder : of saved indexes
    recheck_seconds : how long to go without looking whether something is new
    clock : seconds, monotonic
    """

    def __init__(
        self,
        registry: Registry,
        index_folder: Path,
        *,
        recheck_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._folder = index_folder
        self._recheck_seconds = recheck_seconds
        self._clock = clock
        self._looking = threading.Lock()
        self._scorer: Scorer | None = None
        self._champion: str | None = None
        self._refused: Refused | None = None
        self._refused_at = float("-inf")
        self._looked_at = float("-inf")
        self._thread: threading.Thread | None = None
        self._closed = False
        # Called after something else was put to use.
        self.on_change: Callable[[], None] = _nothing

    def ready(self) -> Scorer | None:
        """What is in use, at once; None before anything was loaded. Has someone look for news where that is due."""
        if self._scorer is not None and self._clock() - self._looked_at >= self._recheck_seconds:
            self._look_beside()
        return self._scorer

    def wait(self) -> Scorer:
        """What is in use; loads it first where nothing is, which takes seconds.

        Raises
        ------
        NotScoredError
            If there is nothing that can be used.
        """
        found = self.ready()
        if found is None:
            with self._looking:
                found = self._scorer or self._look()
        if found is not None:
            return found
        if self._refused is not None:
            raise NotScoredError(_REFUSED)
        raise NotScoredError(_NO_MODELS if self._champion is None else _NO_INDEX)

    def begin(self) -> None:
        """Have someone load what is in use, so that the first who asks need not wait for it."""
        self._look_beside()

    def look(self) -> Status:
        """Look for news now, and put it to use; returns what is in use then."""
        with self._looking:
            self._look()
        return self.status()

    def status(self) -> Status:
        """What is in use, without looking anew."""
        used = self._scorer
        return Status(
            None if used is None else used.version,
            None if used is None else used.as_of,
            self._champion,
            self._refused,
        )

    def close(self) -> None:
        """Wait for whoever is looking; nothing is looked for afterwards."""
        self._closed = True
        thread = self._thread
        if thread is not None:
            thread.join(timeout=10)

    def _look_beside(self) -> None:
        if self._closed or not self._looking.acquire(blocking=False):
            return
        self._looked_at = self._clock()

        def look() -> None:
            try:
                self._look()
            finally:
                self._looking.release()

        self._thread = threading.Thread(target=look, name="heed-models", daemon=True)
        self._thread.start()

    def _look(self) -> Scorer | None:
        """Whoever calls holds the lock."""
        self._looked_at = self._clock()
        used = self._scorer
        try:
            version, index = self._registry.champion(FAILURES), newest_index(self._folder)
        except (HeedError, OSError) as error:
            self._refuse(Refused("", "", _why(error)))
            return used
        self._champion = version
        if version is None or index is None:
            self._refused = None
            return used
        if used is not None and (used.version, used.saved.name) == (version, index):
            self._refused = None
            return used
        if self._is_refused(version, index):
            return used
        try:
            found = self._loaded(version, index, used)
        except Exception as error:
            self._refuse(Refused(version, index, _why(error)))
            return used
        self._scorer, self._refused = found, None
        self.on_change()
        logger.info("models in use: %s, with the index of %s", version, index)
        return found

    def _is_refused(self, version: str, index: str) -> bool:
        known = self._refused
        same = known is not None and (known.version, known.index) == (version, index)
        return same and self._clock() - self._refused_at < RETRY_SECONDS

    def _refuse(self, what: Refused) -> None:
        if what != self._refused:
            logger.error("models refused: %s with the index %s: %s", what.version, what.index, what.why)
        self._refused, self._refused_at = what, self._clock()

    def _loaded(self, version: str, index: str, used: Scorer | None) -> Scorer:
        """Load, check and try what is new; what it shares with what is in use is not loaded again."""
        if used is not None and used.version == version:
            models = used.models
        else:
            stored = self._registry.load(version)
            refuse(stored.boundary_violations())
            require_usable(stored)
            models = FailureModels.from_files(stored.files)
        saved = used.saved if used is not None and used.saved.name == index else open_index(self._folder, index)
        scorer = Scorer(version, models, saved)
        _try(scorer)
        return scorer


def _nothing() -> None:
    """What is done after a change unless told otherwise."""


def _try(scorer: Scorer) -> None:
    """Ask for everything once, of a case of which nothing is known but that it was opened: what cannot answer fails
    here, and what is made at the first question is made.
    """
    opened = scorer.as_of - _HOUR
    event = OneEvent(opened, opened, step_code(EventKind.OPENED), min(scorer.as_of + _HOUR, NEVER - 1))
    case = OneCase.of([event], scorer.as_of)
    scorer.one(case, scorer.as_of)
    scorer.many([case], scorer.as_of, reasons=True, remaining=True)


def _why(error: Exception) -> str:
    # The message of an error that nobody foresaw may hold anything.
    return str(error) if isinstance(error, HeedError) else f"{type(error).__name__}, see the version's files"
