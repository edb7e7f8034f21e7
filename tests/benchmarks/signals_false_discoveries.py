"""False discoveries over very many thin series, beside an oracle and beside R-compatible p-values.

`python -m tests.benchmarks.signals_false_discoveries` prints the whole table; `--quick` a small one.

**City.** `areas` x `categories` series, none above 0.3 cases a week, with levels that are lognormal in area, category
and cell, and a variance of 1.5 times the mean (in one city 1 to 2.5 times, drawn per series): negative binomial weeks,
300 of them. In the correlated city every week multiplies all series of a category by one shock, and all series of an
area by another that is half shared with the next areas on a ring.

**Path.** What is judged is what `heed signals` uses: `learn_short_past` and `judge`. Left out are silences (their
three-week window, which says nothing of rises) and the limits that charts show.

**One week as one experiment.** One past serves several newest weeks, each with four weeks drawn anew and rises planted
anew: the promise is about the list of one week, and lists that share a past are averaged first; the interval is that of
the means of pasts. Planted: one series in two hundred gains 2 to 8, or 1 to 4, cases a week (a Poisson mean, uniform)
over the newest one to four weeks.

**A life.** Successive weeks of one city, each judged by all weeks before it, learned anew every week as live. A rise
begins in one series in two thousand a week, lasts one to four weeks and stays in the past of later ones. Right is what
rose in any of the newest four weeks.

**Null.** When nothing happens, no newest week need be drawn: given what was learned, the least count with a p-value of
at most 1e-4 is known, and the true law says how likely it is. Only pasts are drawn; the interval is that of their
means.

**Oracle.** The same windows, the same tails, the same control, but with the true mean and variance of every series; it
knows how large shocks are, and not which came.

**Cost.** A week of 100,000 series takes 0.9 CPU seconds, learning and oracle included: 120,000 series-weeks a
CPU second. `--pasts 40 --city ...` is 1,000 weeks of one city; `--areas 200` a tenth of its series.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.signals.attainable import null_steps
from models.signals.detectors import FarringtonFlexible
from models.signals.distribution import count_tail, mixed_tail
from models.signals.farrington import farrington_flexible
from models.signals.fdr import discrete_q_values, q_values
from models.signals.short_past import CountLaw, ShortPastSettings, WindowJudgement, learn_short_past
from models.signals.siblings import Cross
from tests.support.weekly import thin_draw

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = (0.05, 0.10, 0.20)
WINDOWS = (1, 2, 4)
# Windows for rises alone; the longest, and so the past that is used, is the same as by default.
RISES = ShortPastSettings(windows=WINDOWS, silence_windows=(1,))


@dataclass(frozen=True)
class City:
    """The truth about a city of thin series."""

    cross: Cross
    level: Floats
    dispersion: Floats
    shock: tuple[float, float] = (0.0, 0.0)  # standard deviation of the log: of categories, of areas

    @classmethod
    def drawn(
        cls,
        rng: np.random.Generator,
        areas: int,
        categories: int,
        shock: tuple[float, float],
        dispersion: tuple[float, float],
    ) -> City:
        area, category = np.repeat(np.arange(areas), categories), np.tile(np.arange(categories), areas)
        size, kind = rng.lognormal(0.0, 0.5, areas), rng.lognormal(0.0, 1.0, categories)
        level = 0.05 * size[area] * kind[category] * rng.lognormal(0.0, 0.4, len(area))
        ratio = rng.uniform(*dispersion, len(area))
        return cls(Cross(area, category), np.minimum(level, 0.3), ratio, shock)

    def weeks(self, rng: np.random.Generator, n: int) -> Ints:
        """Counts of `n` weeks; (n, n_series)."""
        return np.array([thin_draw(rng, self.level * self._shock(rng), self.dispersion) for _ in range(n)])

    def law(self, k: int) -> CountLaw:
        """What sums over `k` weeks follow, to one who knows everything but the shocks."""
        category, area = self.shock
        together = np.expm1(category**2 + area**2)
        mean = (k * self.level)[:, None]
        variance = mean * self.dispersion[:, None] + mean**2 * together / k
        return CountLaw(mean, variance, np.ones_like(mean))

    def _shock(self, rng: np.random.Generator) -> Floats:
        own, shared = self.shock
        if own == shared == 0.0:
            return np.ones(len(self.level))
        area = rng.normal(size=int(self.cross.area.max()) + 1)
        area = (area + 0.5 * (np.roll(area, 1) + np.roll(area, -1))) / np.sqrt(1.5)
        category = rng.normal(size=int(self.cross.category.max()) + 1)
        moved = own * category[self.cross.category] + shared * area[self.cross.area]
        shock: Floats = np.exp(moved - (own**2 + shared**2) / 2.0)
        return shock


def plant(
    rng: np.random.Generator, newest: Ints, size: tuple[float, float], share: float = 0.005
) -> tuple[Ints, NDArray[np.bool_]]:
    """Rises in some series of the newest weeks; the counts, and where."""
    n_weeks, n_series = newest.shape
    chosen = rng.choice(n_series, size=round(share * n_series), replace=False)
    gain = rng.uniform(*size, len(chosen))
    since = rng.integers(1, n_weeks + 1, len(chosen))
    there = np.arange(n_weeks)[:, None] >= n_weeks - since
    counts = newest.copy()
    counts[:, chosen] += rng.poisson(gain * there)
    risen = np.zeros(n_series, dtype=bool)
    risen[chosen] = True
    return counts, risen


def oracle_windows(city: City, newest: Ints) -> tuple[WindowJudgement, ...]:
    """The oracle's judgement of the newest weeks: rises only."""
    windows = []
    for k in WINDOWS:
        observed = newest[-k:].sum(axis=0).astype(float)
        law = city.law(k)
        nothing = np.full(len(observed), np.nan)
        rise = mixed_tail(observed, law.mean, law.variance, law.weight)
        windows.append(WindowJudgement(k, observed, law.mean[:, 0], nothing, nothing, rise, nothing, nothing, law))
    return tuple(windows)


def for_rises(windows: tuple[WindowJudgement, ...]) -> tuple[WindowJudgement, ...]:
    """The windows in which a rise is looked for; others are there for silences."""
    return tuple(one for one in windows if one.weeks in WINDOWS)


def combined(windows: tuple[WindowJudgement, ...], least_count: int) -> Floats:
    """A series' p-value over its windows (Bonferroni), 1 where there are too few cases to be worth telling."""
    told = [np.where(one.observed < least_count, 1.0, one.rise_p) for one in windows]
    return np.asarray(np.minimum(np.min(told, axis=0) * len(windows), 1.0))


@dataclass
class Tally:
    """False-discovery proportions and shares found, by past and list, at each level."""

    false: list[list[Floats]] = field(default_factory=list)
    found: list[list[Floats]] = field(default_factory=list)
    told: list[list[Floats]] = field(default_factory=list)

    def add(self, q: Floats, risen: NDArray[np.bool_]) -> None:
        told = np.array([(q <= level).sum() for level in LEVELS], dtype=float)
        right = np.array([((q <= level) & risen).sum() for level in LEVELS], dtype=float)
        self.false[-1].append((told - right) / np.maximum(told, 1.0))
        self.found[-1].append(right / max(int(risen.sum()), 1))
        self.told[-1].append(told)

    def start(self) -> None:
        """A new past."""
        for one in (self.false, self.found, self.told):
            one.append([])

    def mean(self, what: str) -> tuple[Floats, Floats]:
        """Mean over pasts, and its standard error."""
        by_past = np.array([np.mean(one, axis=0) for one in getattr(self, what)])
        error = by_past.std(axis=0, ddof=1) / np.sqrt(len(by_past)) if len(by_past) > 1 else np.full(3, np.nan)
        return by_past.mean(axis=0), error


@dataclass(frozen=True)
class Drawn:
    """How a city is drawn: shocks of categories and of areas, dispersions from ... to, size of rises from ... to."""

    shock: tuple[float, float] = (0.0, 0.0)
    dispersion: tuple[float, float] = (1.5, 1.5)
    size: tuple[float, float] = (2.0, 8.0)


def repeat(
    rng: np.random.Generator,
    *,
    pasts: int,
    weeks_each: int,
    areas: int = 2000,
    categories: int = 50,
    weeks: int = 300,
    least_count: int = 0,
    city: Drawn = Drawn(),
) -> dict[str, Tally]:
    """The experiment; tallies of "heed", "oracle" (discrete control), "heed, BH", "oracle, BH"."""
    tallies = {name: Tally() for name in ("heed", "oracle", "heed, BH", "oracle, BH")}
    for _ in range(pasts):
        truth = City.drawn(rng, areas, categories, city.shock, city.dispersion)
        learned = learn_short_past(
            np.concatenate([truth.weeks(rng, weeks), np.zeros((4, len(truth.level)), int)]), truth.cross, RISES
        )
        for tally in tallies.values():
            tally.start()
        null_of_truth = None
        for _ in range(weeks_each):
            newest, risen = plant(rng, truth.weeks(rng, 4), city.size)
            heed = for_rises(learned.judge(newest, band=None, silences=False).windows)
            oracle = oracle_windows(truth, newest)
            null_of_truth = null_of_truth or null_steps(oracle, least_count=least_count)
            for name, windows in (("heed", heed), ("oracle", oracle)):
                p = combined(windows, least_count)
                null = null_of_truth if name == "oracle" else null_steps(windows, least_count=least_count)
                tallies[name].add(discrete_q_values(p, null), risen)
                tallies[f"{name}, BH"].add(q_values(p), risen)
    return tallies


def r_compatible(rng: np.random.Generator, n_series: int) -> dict[str, tuple[Floats, Floats]]:
    """Benjamini and Hochberg on p-values as R gives them, one week of `n_series` thin series, by threshold.

    False-discovery proportion at each of `LEVELS`, and the number told.
    """
    categories = 50
    city = City.drawn(rng, n_series // categories, categories, (0.0, 0.0), (1.0, 2.5))
    newest, risen = plant(rng, city.weeks(rng, 4), (2.0, 8.0))
    counts = np.concatenate([city.weeks(rng, 300), newest]).astype(float)
    found = {}
    for threshold in ("nb_plugin", "muan"):
        settings = FarringtonFlexible(threshold=threshold, compatible=True, minimum_cases=(0, 4)).settings()
        parts = [
            farrington_flexible(counts[:, first : first + 5000], len(counts) - 1, settings=settings).p_value
            for first in range(0, n_series, 5000)
        ]
        q = q_values(np.concatenate(parts))
        told = np.array([(q <= level).sum() for level in LEVELS], dtype=float)
        wrong = np.array([((q <= level) & ~risen).sum() for level in LEVELS], dtype=float)
        found[threshold] = (wrong / np.maximum(told, 1.0), told)
    return found


NULL_LEVELS = (0.01, 0.03, 0.1, 0.2, 0.3)
_RARE = 1e-4


@dataclass(frozen=True)
class NullCell:
    """P(p <= 1e-4) of one level, dispersion and window: by past, exactly given what was learned from it."""

    level: float
    dispersion: float
    weeks: int
    by_past: tuple[float, ...]

    @property
    def share(self) -> float:
        """Probability that a p-value is at most 1e-4."""
        return float(np.mean(self.by_past))

    @property
    def upper(self) -> float:
        """Two standard errors above; NaN for a single past."""
        n = len(self.by_past)
        return self.share + 2.0 * float(np.std(self.by_past, ddof=1)) / float(np.sqrt(n)) if n > 1 else float("nan")


def null_cells(rng: np.random.Generator, *, dispersion: float, weeks: int, areas: int, pasts: int) -> list[NullCell]:
    """P-values at most 1e-4 when nothing happens, by level and window; 50 categories, ten of each level.

    The last cell of each level, with window 0, is that of silences in any window: those thin series never have one.
    """
    area, category = np.repeat(np.arange(areas), 50), np.tile(np.arange(50), areas)
    which = category % len(NULL_LEVELS)
    level, ratio = np.array(NULL_LEVELS)[which], np.full(len(area), dispersion)
    found = []
    for _ in range(pasts):
        past = np.array([thin_draw(rng, level, ratio) for _ in range(weeks + 4)])
        newest = np.array([thin_draw(rng, level, ratio) for _ in range(4)])
        judged = learn_short_past(past, Cross(area, category)).judge(newest, band=None).windows
        # A silence can be no less probable than no case at all: if that is common, so is every silence.
        chances = [*(rare_chance(one, level, ratio) for one in for_rises(judged))]
        chances.append(np.any([one.zero_p <= _RARE for one in judged], axis=0).astype(float))
        found.append([np.bincount(which, weights=one) / np.bincount(which) for one in chances])
    shares = np.array(found)
    return [
        NullCell(NULL_LEVELS[row], dispersion, k, tuple(shares[:, column, row]))
        for row in range(len(NULL_LEVELS))
        for column, k in enumerate((*WINDOWS, 0))
    ]


def rare_chance(judged: WindowJudgement, level: Floats, dispersion: Floats) -> Floats:
    """P(p <= 1e-4) of each series' rise, by its true weekly level and dispersion; (n_series,)."""
    assert judged.law is not None
    least = np.full(len(level), np.inf)
    left, count = np.arange(len(level)), 0.0
    while len(left):
        count += 1.0
        law = (part[left] for part in (judged.law.mean, judged.law.variance, judged.law.weight))
        rare = mixed_tail(np.full(len(left), count), *law) <= _RARE
        least[left[rare]] = count
        left = left[~rare]
    mean = judged.weeks * level
    return count_tail(least, mean, mean * dispersion)


@dataclass(frozen=True)
class Life:
    """What a life of weeks told: lists by week, (n_weeks, n_levels)."""

    told: Floats
    false: Floats
    risen: Floats  # (n_weeks,)
    found: Floats  # risen in the newest week or before, and told


def live(rng: np.random.Generator, *, areas: int, categories: int, weeks: int, city: Drawn, past: int = 104) -> Life:
    """Successive weeks, each by all before it (at most six years), learned anew every week."""
    truth = City.drawn(rng, areas, categories, city.shock, city.dispersion)
    n_series, span = len(truth.level), past + weeks
    counts = truth.weeks(rng, span)
    rising = np.zeros(counts.shape, dtype=bool)
    for week in range(span):
        chosen = rng.choice(n_series, size=max(round(0.0005 * n_series), 1), replace=False)
        lasts = rng.integers(1, 5, len(chosen))
        gain = rng.uniform(*city.size, len(chosen))
        there = np.arange(4)[:, None] < lasts
        rows = slice(week, min(week + 4, span))
        counts[rows, chosen] += rng.poisson(gain * there)[: span - week]
        rising[rows, chosen] |= there[: span - week]
    false, told, found, risen = (np.zeros((weeks, len(LEVELS))) for _ in range(4))
    for row in range(weeks):
        end = past + row + 1
        known = counts[max(end - 316, 0) : end]
        windows = for_rises(
            learn_short_past(known, truth.cross, RISES).judge(known[-4:], band=None, silences=False).windows
        )
        q = q_values(combined(windows, 0))
        right = rising[end - 4 : end].any(axis=0)
        told[row] = [(q <= level).sum() for level in LEVELS]
        found[row] = [((q <= level) & right).sum() for level in LEVELS]
        false[row] = told[row] - found[row]
        risen[row] = right.sum()
    return Life(told, false, risen[:, 0], found)


# Name, what is drawn: shocks shared by categories and by neighbouring areas, dispersion, size of rises.
CITIES = {
    "independent, rises of 2 to 8": Drawn(),
    "independent, rises of 1 to 4": Drawn(size=(1.0, 4.0)),
    "correlated neighbours, rises of 2 to 8": Drawn(shock=(0.2, 0.2)),
    "dispersion 1 to 2.5 by series, rises of 2 to 8": Drawn(dispersion=(1.0, 2.5)),
}


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _table_of_nulls(pasts: int, areas: int) -> None:
    _line("\nP(p <= 1e-4) / 1e-4 when nothing happens (two standard errors above); windows of 1, 2, 4 weeks; silences")
    for weeks in (60, 300):
        for dispersion in (1.0, 1.5, 2.0, 3.0, 5.0):
            began = time.process_time()
            cells = null_cells(np.random.default_rng(2), dispersion=dispersion, weeks=weeks, areas=areas, pasts=pasts)
            for level in NULL_LEVELS:
                shown = (f"{c.share * 1e4:5.2f} ({c.upper * 1e4:4.2f})" for c in cells if c.level == level)
                _line(f"  {weeks} weeks, dispersion {dispersion}, {level} a week: " + "  ".join(shown))
            _line(f"  {_spent(began)}")


def _table_of_lives(seed: int, weeks: int, areas: int, only: str | None) -> None:
    for name, drawn in CITIES.items():
        if only not in (None, name):
            continue
        began = time.process_time()
        life = live(np.random.default_rng(seed), areas=areas, categories=50, weeks=weeks, city=drawn)
        share = life.false / np.maximum(life.told, 1.0)
        # Weeks share windows and pasts; means of blocks of 25 are all but independent.
        blocks = share.reshape(-1, 25, len(LEVELS)).mean(axis=1)
        error = 1.96 * blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks))
        found = life.found.sum(axis=0) / life.risen.sum()
        _line(f"\n{name}, a life: {areas * 50:,} series, {weeks} weeks in a row, BH, {_spent(began)}")
        cells = zip(LEVELS, share.mean(axis=0), error, found, life.told.sum(axis=0), strict=True)
        _line(
            "  "
            + " | ".join(
                f"q {q:.2f}: FDR {f:.3f} +- {e:.3f}, found {g:.3f} of all, told {t:.0f}" for q, f, e, g, t in cells
            )
        )


def _table_of_cities(seed: int, pasts: int, weeks_each: int, areas: int, only: str | None) -> None:
    for name, drawn in CITIES.items():
        if only not in (None, name):
            continue
        began = time.process_time()
        tallies = repeat(np.random.default_rng(seed), pasts=pasts, weeks_each=weeks_each, areas=areas, city=drawn)
        _line(f"\n{name}: {areas * 50:,} series, {pasts} pasts x {weeks_each} weeks, {_spent(began)}")
        for who, tally in tallies.items():
            (false, error), (found, _) = tally.mean("false"), tally.mean("found")
            cells = (
                f"q {q:.2f}: FDR {f:.3f} +- {1.96 * e:.3f}, found {g:.3f}"
                for q, f, e, g in zip(LEVELS, false, error, found, strict=True)
            )
            _line(f"  {who:11} " + " | ".join(cells))
        for suffix in ("", ", BH"):
            share = tallies["heed" + suffix].mean("found")[0] / tallies["oracle" + suffix].mean("found")[0]
            _line(f"  power of the oracle's{suffix}: " + ", ".join(f"{one:.3f}" for one in share))


def _spent(began: float) -> str:
    return f"{time.process_time() - began:.0f} CPU s"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work, and wide intervals")
    parser.add_argument("--only", choices=["r", "null", "cities", "life"], help="one of the tables")
    parser.add_argument("--city", choices=list(CITIES), help="one of the cities")
    parser.add_argument("--pasts", type=int, help="pasts per city; 25 newest weeks each (5 with --quick)")
    parser.add_argument("--areas", type=int, help="areas per city, of 50 series each; 2,000 (200 with --quick)")
    chosen = parser.parse_args()
    quick = bool(chosen.quick)
    if chosen.only in (None, "r"):
        n_series = 10_000 if quick else 100_000
        began = time.process_time()
        for threshold, (false, told) in r_compatible(np.random.default_rng(1), n_series).items():
            parts = (f"q {q:.2f}: {f:.2f} of {n:.0f}" for q, f, n in zip(LEVELS, false, told, strict=True))
            _line(f"R-compatible, {threshold}, BH, {n_series:,} thin series: false " + ", ".join(parts))
        _line(f"  {_spent(began)}")
    if chosen.only in (None, "null"):
        _table_of_nulls(pasts=2 if quick else 5, areas=200 if quick else 2000)
    if chosen.only in (None, "cities"):
        pasts = chosen.pasts or (3 if quick else 40)
        _table_of_cities(5, pasts, 5 if quick else 25, chosen.areas or (200 if quick else 2000), chosen.city)
    if chosen.only in (None, "life"):
        _table_of_lives(7, 100 if quick else 1000, chosen.areas or (40 if quick else 200), chosen.city)


if __name__ == "__main__":
    main()
