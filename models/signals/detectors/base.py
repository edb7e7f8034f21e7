"""What every detector shares: parameters, `fit` and `detect` over a whole table of series, and the tidy result.

A detector is constructed with its parameters, fitted to the past and asked about the weeks that follow:

    found = Ears(kind="C2").fit(history).detect(now)
    found = Ears(kind="C2").detect(counts, last=4)      # the same, fitted to all but the newest 4 weeks

Tables are weeks x series: the index tells the weeks (dates, or whole numbers), the columns the series; a null is a
missing week. Every week is judged by the weeks before it and by nothing else, and every series by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError, UsageError
from models.signals.reference_weeks import Dates

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Texts = NDArray[np.object_]

COLUMNS: Final = (
    "series",
    "week",
    "observed",
    "expected",
    "lower",
    "upper",
    "p_value",
    "score",
    "alarm",
    "method",
    "why",
)

# Why nothing, or no alarm, can be said of a week; null in `why` means that it was judged.
WHY: Final = {
    "missing": "the week itself has no count",
    "past_too_short": "there are too few weeks before it",
    "missing_in_past": "too many of the weeks it is compared with have no count",
    "no_cases_in_past": "the weeks it is compared with hold no case",
    "no_spread": "the weeks it is compared with are all alike, and their spread is the yardstick",
    "not_settled": "the regression on the past found no answer",
    "no_level": "the season it is compared with holds no case, so no limit follows from it",
    "few_cases": "the newest weeks hold fewer cases than an alarm needs; the limit stands, but no alarm is given",
    "alarm_at_any_count": "the weeks before are an alarm by themselves, so no count now would be low enough",
    "limit_out_of_reach": "no count up to the largest tried would be an alarm",
}


@dataclass(slots=True)
class Weeks:
    """The table as arrays; `counts[w, s]`, NaN where missing. The weeks from row `start` on are to be judged."""

    counts: Floats  # (n_weeks, n_series)
    start: int
    dates: Dates | None  # (n_weeks,), None for an index of whole numbers
    period: int  # weeks (or other steps) in a year
    population: Floats | None  # like counts

    @property
    def judged(self) -> Floats:
        """Counts of the weeks to judge; (n_judged, n_series)."""
        return self.counts[self.start :]

    def nothing(self) -> Floats:
        """NaN for every week to judge."""
        return np.full(self.judged.shape, np.nan)

    def no_reason(self) -> Texts:
        """No reason code for every week to judge."""
        return np.full(self.judged.shape, None, dtype=object)


@dataclass(slots=True)
class Judged:
    """What a detector says of the weeks to judge; every array (n_judged, n_series). NaN: nothing can be said."""

    observed: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    p_value: Floats
    score: Floats
    alarm: Floats  # 1, 0, NaN
    why: Texts
    extra: dict[str, Floats] = field(default_factory=dict)

    @classmethod
    def nothing(cls, weeks: Weeks, extra: tuple[str, ...] = ()) -> Judged:
        """Nothing said of any week, to be filled in."""
        figures = {name: weeks.nothing() for name in ("expected", "lower", "upper", "p_value", "score", "alarm")}
        columns = {name: weeks.nothing() for name in extra}
        return cls(observed=weeks.judged, **figures, why=weeks.no_reason(), extra=columns)


class Detector(ABC):
    """One method with its parameters. Subclasses are dataclasses; their fields are the parameters.

    Attributes
    ----------
    history_, population_ : DataFrame, the table it was fitted to
    series_ : names of the series
    n_weeks_ : weeks of history
    expected_, lower_, upper_ : Series by series name
        Of the week after the history, where the method draws a limit before it sees the count; NaN elsewhere.
    """

    method: ClassVar[str]
    # Columns of the result under the names that the R package surveillance gives them, and its defaults.
    r_columns: ClassVar[dict[str, str]] = {"alarm": "alarm", "upperbound": "upper"}
    r_defaults: ClassVar[dict[str, Any]] = {}

    compatible: bool
    period: int | None

    @abstractmethod
    def check(self) -> None:
        """Refuse impossible parameters; called before every use."""

    @abstractmethod
    def _judge(self, weeks: Weeks) -> Judged:
        """Judge `weeks.judged`, each row by the rows before it."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - the name others call it by
        """The parameters by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]

    def set_params(self, **params: Any) -> Self:
        """Change parameters; an unknown name is refused with the names there are."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise UsageError(f"{self.method} has no parameter {name!r}; it has {', '.join(sorted(known))}.")
            setattr(self, name, value)
        return self

    def fit(self, history: pd.DataFrame, population: pd.DataFrame | None = None) -> Self:
        """Keep the past, and draw the limit of the week after it.

        Parameters
        ----------
        history : DataFrame, weeks x series
            Counts, not negative; null where a week is missing. The index rises: dates, or whole numbers.
        population : DataFrame of the same shape, or None
            For methods that use it.

        Raises
        ------
        UsageError, InputError
            If a parameter is impossible, or the table is not one of counts.
        """
        self.check()
        self.history_ = _table(history)
        self.population_ = None if population is None else _population(population, history)
        self.series_ = self.history_.columns.tolist()
        self.n_weeks_ = len(self.history_)
        self._keep_next()
        return self

    def detect(
        self, counts: pd.DataFrame, last: int | None = None, population: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Judge weeks.

        Parameters
        ----------
        counts : DataFrame, weeks x series
            Without `last`, the weeks after the fitted history, all of which are judged. With `last`, history and
            present in one: the newest `last` weeks are judged, and the weeks before them are fitted.
        population : like `counts`, or None

        Returns
        -------
        DataFrame
            One row per series and week, series by series, with the columns `COLUMNS` and, after them, figures of the
            method. `week` is the index value. Null: nothing can be said; `why` then holds one of `WHY`. `p_value` is
            the probability of as many cases or more (null for methods without one); `score` is the method's own
            statistic or, where it has none, (observed - expected) / (upper - expected). `alarm` is nullable boolean.
        """
        if last is not None:
            if not 1 <= last <= len(counts):
                raise UsageError(f"last must lie between 1 and the number of weeks, {len(counts)}; it is {last}.")
            # No limit of the next week is drawn here: it would be the first thing judged anyway.
            self.check()
            whole = _table(counts)
            people = None if population is None else _population(population, counts)
            cut = len(whole) - last
            self.history_, self.population_ = whole.iloc[:cut], None if people is None else people.iloc[:cut]
            self.series_, self.n_weeks_ = whole.columns.tolist(), cut
            return self._result(whole, people, cut)
        if not hasattr(self, "history_"):
            raise UsageError("Expected a fitted detector: call fit(history) first, or detect(counts, last=n).")
        now = _table(counts)
        if now.columns.tolist() != self.series_:
            raise InputError("Expected the series of the history, in the same order, as columns.")
        whole = pd.concat([self.history_, now])
        if self.population_ is None or population is None:
            return self._result(whole, None, self.n_weeks_)
        return self._result(whole, pd.concat([self.population_, _population(population, counts)]), self.n_weeks_)

    def _keep_next(self) -> None:
        counts = np.vstack([self.history_.to_numpy(dtype=float), np.zeros((1, len(self.series_)))])
        dates = _dates(self.history_.index)
        if dates is not None and len(dates) > 1:
            dates = np.append(dates, dates[-1] + (dates[-1] - dates[-2]))
        people = None
        if self.population_ is not None:
            people = np.vstack([self.population_.to_numpy(dtype=float), self.population_.to_numpy(dtype=float)[-1:]])
        judged = self._judge(Weeks(counts, self.n_weeks_, dates, self.steps_a_year(dates), people))
        for name in ("expected", "lower", "upper"):
            setattr(self, f"{name}_", pd.Series(getattr(judged, name)[0], index=self.series_, name=name))

    def _result(self, whole: pd.DataFrame, people: pd.DataFrame | None, start: int) -> pd.DataFrame:
        dates = _dates(whole.index)
        population = None if people is None else people.to_numpy(dtype=float)
        weeks = Weeks(whole.to_numpy(dtype=float), start, dates, self.steps_a_year(dates), population)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            judged = self._judge(weeks)
        return self._tidy(judged, whole, start)

    def _tidy(self, judged: Judged, whole: pd.DataFrame, start: int) -> pd.DataFrame:
        n_judged, n_series = judged.observed.shape
        index = whole.index[start:]
        missing = np.isnan(whole.to_numpy(dtype=float)[start:])
        judged.why[missing] = "missing"
        for values in () if self.compatible else (judged.p_value, judged.score, judged.alarm):
            values[missing] = np.nan
        flat = {name: _flat(getattr(judged, name)) for name in ("observed", "expected", "lower", "upper", "p_value")}
        alarm = _flat(judged.alarm)
        return pd.DataFrame(
            {
                "series": np.repeat(np.asarray(whole.columns, dtype=object), n_judged),
                "week": np.tile(np.asarray(index), n_series),
                **flat,
                "score": _flat(judged.score),
                "alarm": pd.Series(alarm == 1.0, dtype="boolean").mask(np.isnan(alarm)),
                "method": self.method,
                "why": pd.Series(judged.why.T.ravel(), dtype="string"),
                **{name: _flat(values) for name, values in judged.extra.items()},
            }
        )

    def steps_a_year(self, dates: Dates | None) -> int:
        """Steps in a year: as said, or else by the dates (52 weeks, 12 months, 365 days), or else 52."""
        if self.period is not None:
            return self.period
        if dates is None or len(dates) < 2:
            return 52
        step = float(np.median(np.diff(dates).astype(float)))
        return 52 if step == 7.0 else max(round(365.25 / step), 1)


def exceedance(observed: Floats, expected: Floats, upper: Floats) -> Floats:
    """How far a count lies on the way from what was expected to the limit: 0 there, 1 at the limit."""
    with np.errstate(divide="ignore", invalid="ignore"):
        score: Floats = (observed - expected) / (upper - expected)
    return score


def flag(condition: Bools, known: Bools) -> Floats:
    """An alarm (1) or none (0) where something is known, NaN elsewhere."""
    return np.where(known, condition.astype(float), np.nan)


def positive(name: str, value: float, *, least: float = 0.0) -> None:
    """Refuse a number that is not above `least`."""
    if not value > least:
        raise UsageError(f"{name} must be above {least:g}; it is {value!r}.")


def probability(name: str, value: float) -> None:
    """Refuse a number outside (0, 1)."""
    if not 0.0 < value < 1.0:
        raise UsageError(f"{name} must lie between 0 and 1; it is {value!r}.")


def one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices:
        raise UsageError(f"{name} must be one of {', '.join(str(choice) for choice in choices)}; it is {value!r}.")


def _flat(values: Floats) -> Floats:
    return np.ascontiguousarray(values.T).ravel()


def _dates(index: pd.Index) -> Dates | None:
    if not isinstance(index, pd.DatetimeIndex):
        return None
    return index.tz_localize(None).normalize().to_numpy().astype("datetime64[D]")


def _table(counts: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(counts, pd.DataFrame):
        raise InputError("Expected a DataFrame of weeks x series.")
    if not counts.index.is_monotonic_increasing or not counts.index.is_unique:
        raise InputError("Expected an index of weeks that rises without repeating; sort the table by week.")
    if not counts.columns.is_unique:
        raise InputError("Expected every series once among the columns.")
    values = counts.to_numpy(dtype=float, na_value=np.nan)
    # Two passes over a large table in place of six; the row is looked for where there is one.
    if values.size and (np.fmin.reduce(values, axis=None) < 0.0 or np.fmax.reduce(values, axis=None) == np.inf):
        bad = (values < 0.0) | np.isinf(values)
        row = int(np.flatnonzero(bad.any(axis=1))[0]) + 1
        raise InputError(f"Expected counts, 0 or more and finite, or null; row {row} of the table has another number.")
    if (counts.dtypes == np.float64).all():
        # Its values are copied when either of the two is written to.
        return counts.copy(deep=False)
    return pd.DataFrame(values, index=counts.index, columns=counts.columns)


def _population(population: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    if population.shape != counts.shape:
        raise InputError("Expected a population for every week and series of the counts.")
    return population.astype(float)
