"""What past cases tell about an open one, counted when the cases are scored and kept beside the event index.

Counts only: how often the like of an action was seen (`models.what_if`), and what became of cases like one
(`models.similar_cases`). No case of the past is in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

from data.errors import FileFormatError
from features.landmarks import landmarks
from features.outcomes import LANDMARK_OUTCOMES, outcomes_at
from models.history import MORNINGS_PER_CASE, MOST_MORNINGS
from models.similar_cases import SimilarCounts
from models.what_if import Support, SupportCounts
from service.known import Known

FILE: Final = "past_cases.json"
FORMAT: Final = 1
# The newest scoring and the one before it.
_KEPT: Final = 2


@dataclass(frozen=True)
class PastCases:
    """What one scoring counted.

    Attributes
    ----------
    offices : codes of the offices that any case was ever at
    support : how often the like of an action was seen, of outcomes that were known when the models were made
    similar : what became of cases like one, of outcomes that were known at the scoring
    """

    offices: frozenset[str]
    support: SupportCounts
    similar: SimilarCounts

    @classmethod
    def count(cls, known: Known, *, time_zone: str, trained_before: int) -> Self:
        """Count what was known at a scoring, whose models learned from outcomes known before `trained_before`."""
        support = support_of(known, time_zone=time_zone, before=trained_before)
        return cls(
            offices=frozenset(known.events["office"].dropna().astype(str)),
            support=SupportCounts.of(support),
            similar=SimilarCounts.of(known.events, as_of=known.as_of, observed_until=known.observed_until),
        )

    def to_bytes(self) -> bytes:
        """As JSON."""
        plain = {"format": FORMAT, "offices": sorted(self.offices)}
        plain |= {"support": self.support.to_plain(), "similar": self.similar.to_plain()}
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read it again.

        Raises
        ------
        FileFormatError
            If it is damaged, or of another version of heed.
        """
        try:
            plain: dict[str, Any] = json.loads(content)
            if plain["format"] != FORMAT:
                raise FileFormatError(f"Expected counts of past cases of format {FORMAT}. Run `heed score`.")
            offices: Collection[str] = plain["offices"]
            return cls(
                frozenset(offices),
                SupportCounts.from_plain(plain["support"]),
                SimilarCounts.from_plain(plain["similar"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError("Expected counts of past cases, and they are damaged. Run `heed score`.") from error


def support_of(known: Known, *, time_zone: str, before: int) -> Support:
    """The landmarks whose outcomes were known strictly before a moment, chosen as a history to learn from has them."""
    frame = landmarks(
        known.events,
        time_zone=time_zone,
        as_of=min(known.as_of, before),
        observed_until=known.observed_until,
        most_mornings=min(MOST_MORNINGS, MORNINGS_PER_CASE * known.events["case_id"].nunique()),
    )
    found = outcomes_at(
        known.events, frame, as_of=known.as_of, observed_until=known.observed_until, names=LANDMARK_OUTCOMES
    )
    return Support.of_landmarks(frame, found, before=before)


def read_past_cases(home: Path) -> PastCases | None:
    """What the scoring of a folder of `service.online.saved_index` counted; None where it counted nothing.

    Raises
    ------
    FileFormatError
        If it is damaged.
    """
    try:
        return _read(home / FILE)
    except OSError:
        return None


@lru_cache(maxsize=_KEPT)
def _read(path: Path) -> PastCases:
    # A folder never changes under its name.
    return PastCases.from_bytes(path.read_bytes())
