"""Every feature, declared once: what it is called, what it means in both languages, and how it is worked out.

Explanations, documents, model files and the boundary check all read this list; nothing else names a feature. Each
family declares its own, with the formulas beside the declarations; here they are put together.

A feature is *available* where the keys it needs are known when a case opens. Asking for one that is not is an error
that says why, because a key known only at the end (the last owner of a case) knows how the case ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from data.boundary import Violation, violations
from data.errors import LeakError, UsageError
from features.calendar_features import CALENDAR
from features.deadlines import DEADLINE_FEATURES, deadlines
from features.feature import Feature
from features.formula import Asked, Defined, Formula
from features.inspections import PLACES
from features.neighbours import NEIGHBOURS
from features.pace import PACES
from features.progress import PROGRESS, PROGRESS_FEATURES
from features.promises import PROMISES
from features.record_features import RECORDS
from features.records import Floats
from features.staffing import STAFFING
from features.trends import TRENDS
from features.workload import LOADS


def _progress(feature: Feature) -> Defined:
    work_out = PROGRESS[feature.name]
    return Defined(feature, lambda asked: work_out(asked.landmarks))


def _deadline(feature: Feature) -> Defined:
    def formula(asked: Asked) -> Floats:
        return deadlines(asked.calendar)[feature.name](asked.landmarks)

    return Defined(feature, formula)


# The order is that of the columns of a matrix, and trees draw columns by their place: new families come last.
_DEFINED: Final[tuple[Defined, ...]] = (
    *RECORDS,
    *TRENDS,
    *LOADS,
    *PACES,
    *PLACES,
    *PROMISES,
    *CALENDAR,
    *NEIGHBOURS,
    *STAFFING,
    *(_progress(feature) for feature in PROGRESS_FEATURES),
    *(_deadline(feature) for feature in DEADLINE_FEATURES),
)

CATALOGUE: Final[dict[str, Feature]] = {defined.feature.name: defined.feature for defined in _DEFINED}
FORMULAS: Final[dict[str, Formula]] = {defined.feature.name: defined.formula for defined in _DEFINED}


def available(known_at_opening: Iterable[str], *, for_model: bool = True, after_opening: bool = False) -> list[str]:
    """Names of the features whose keys are all known when a case opens, in the order of the catalogue.

    With `for_model`, only those that a model learns from unless told otherwise. With `after_opening`, also those that
    have something to say only at landmarks after the opening.
    """
    known = set(known_at_opening)
    return [
        feature.name
        for feature in CATALOGUE.values()
        if known.issuperset(feature.keys)
        and (feature.in_model or not for_model)
        and (feature.known == "opening" or after_opening)
    ]


def require_available(names: Iterable[str], known_at_opening: Iterable[str]) -> None:
    """Refuse features that need something which is not known when a case opens.

    Raises
    ------
    UsageError
        If a name is not in the catalogue.
    LeakError
        If a feature needs a key that the mapping says became known only at the end.
    """
    known = set(known_at_opening)
    for name in names:
        if name not in CATALOGUE:
            raise UsageError(f"Expected a feature of the catalogue, and '{name}' is none. See `heed features list`.")
        missing = [key for key in CATALOGUE[name].keys if key not in known]
        if missing:
            raise LeakError(
                f"Feature '{name}' needs '{missing[0]}' at the opening of a case, and the imported sources know it "
                "only at the end. In an export of last states it holds whoever ended up with the case, which says how "
                "the case went: a model given it looks far better on paper than it can be on the day. Use features "
                "that are available (`heed features list`), or import an export that says who had the case at intake, "
                'with `at = "opened"` in its mapping.'
            )


def catalogue_violations() -> list[Violation]:
    """What the names, labels and explanations of features hold against the boundary."""
    features = CATALOGUE.values()
    labels = [label for feature in features for label in (feature.label_en, feature.label_zh)]
    nulls = sorted({feature.null for feature in features})
    return (
        violations("feature catalogue", CATALOGUE)
        + violations("feature labels", labels)
        + violations("feature nulls", nulls)
    )
