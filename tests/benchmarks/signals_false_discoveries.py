"""False discoveries over very many thin series, beside an oracle and beside R-compatible p-values.

`python -m tests.benchmarks.signals_false_discoveries` prints the whole table; `--quick` a small one.

**City.** `areas` x `categories` series, none above 0.3 cases a week, with levels that are lognormal in area, category
and cell, and a variance of 1.5 times the mean (in one city 1 to 2.5 times, drawn per series): negative binomial weeks,
300 of them. In the correlated city every week multiplies all series of a category by one shock, and all series of an
area by another that is half shared with the next areas on a ring.

**Path.** What is judged is what `heed signals` uses: `learn_short_past` and `judge`, with rises of thin series told by
how their cases are spread over the weeks (`week_patterns`); with `--sums` by their sums. Left out are silences (their
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

**Oracle.** The same windows, the same evidence (`models.signals.week_patterns`), the same control, but with the true
mean and variance of every series; it knows how large shocks are, and not which came. "Oracle, sums" looks at the sums
of its windows alone.

**Laws, sums.** Knows the laws of the city, not of the series: from which distributions levels and dispersions were
drawn, and the 300 weeks (`tests.support.thin_city.LawsOfTheCity`). By the sums of windows and this control that is the
ceiling for anybody who has to learn a series from its past. Where dispersions differ by series it finds at .05 about 93
of 100 of what the oracle finds by sums: a past of a dozen cases does not tell how many come together. That is why heed
looks at how cases are spread over the weeks.

**Cost.** A week of 100,000 series takes 1.2 CPU seconds, oracles included, and a past 6. `--pasts 40 --city ...` is
1,000 weeks of one city; what was found so far is printed after every past, with the CPU time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.signals.attainable import null_steps
from models.signals.detectors import FarringtonFlexible
from models.signals.distribution import mixed_tail
from models.signals.farrington import farrington_flexible
from models.signals.fdr import discrete_q_values, q_values
from models.signals.short_past import ShortPastSettings, WindowJudgement, learn_short_past
from models.signals.siblings import Cross
from models.signals.week_patterns import THICKEST
from tests.support.tallies import LEVELS, Tally, power
from tests.support.thin_city import City, LawsOfTheCity, TruePatterns, rare_chance
from tests.support.weekly import thin_draw

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WINDOWS = (1, 2, 4)
# Windows for rises alone; the longest, and so the past that is used, is the same as by default.
RISES = ShortPastSettings(windows=WINDOWS, silence_windows=(1,))
SUMS = replace(RISES, week_patterns_from=None)


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


def oracle_windows(city: City, newest: Ints, *, sums: bool = False) -> tuple[WindowJudgement, ...]:
    """The oracle's judgement of the newest weeks, rises only; by the `sums` of its windows alone if asked for."""
    windows = []
    for k in WINDOWS:
        observed = newest[-k:].sum(axis=0).astype(float)
        law = city.law(k)
        nothing = np.full(len(observed), np.nan)
        rise = mixed_tail(observed, law.mean, law.variance, law.weight)
        expected, patterns = law.mean[:, 0], None
        if k > 1 and not sums:
            thin = expected <= THICKEST
            patterns = TruePatterns(k, law, np.ones(1), thin, city)
            rise = patterns.p_values(newest[-k:], rise)
        windows.append(WindowJudgement(k, observed, expected, nothing, nothing, rise, nothing, nothing, law, patterns))
    return tuple(windows)


def for_rises(windows: tuple[WindowJudgement, ...]) -> tuple[WindowJudgement, ...]:
    """The windows in which a rise is looked for; others are there for silences."""
    return tuple(one for one in windows if one.weeks in WINDOWS)


def combined(windows: tuple[WindowJudgement, ...], least_count: int) -> Floats:
    """A series' p-value over its windows (Bonferroni), 1 where there are too few cases to be worth telling."""
    told = [np.where(one.observed < least_count, 1.0, one.rise_p) for one in windows]
    return np.asarray(np.minimum(np.min(told, axis=0) * len(windows), 1.0))


@dataclass(frozen=True)
class Drawn:
    """How a city is drawn: shocks of categories and of areas, dispersions from ... to, size of rises from ... to."""

    shock: tuple[float, float] = (0.0, 0.0)
    dispersion: tuple[float, float] = (1.5, 1.5)
    size: tuple[float, float] = (2.0, 8.0)


# heed; one who knows every level and dispersion, with the same evidence and with sums alone; one who knows their laws.
JUDGES = ("heed", "oracle", "oracle, sums", "laws, sums")


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
    settings: ShortPastSettings = RISES,
    after_past: Callable[[dict[str, Tally]], None] | None = None,
) -> dict[str, Tally]:
    """The experiment; tallies of all in `JUDGES` (discrete control), and of each with ", BH".

    `after_past` is shown the tallies so far after every past.
    """
    tallies = {name + control: Tally() for control in ("", ", BH") for name in JUDGES}
    for _ in range(pasts):
        truth = City.drawn(rng, areas, categories, city.shock, city.dispersion)
        past = truth.weeks(rng, weeks)
        learned = learn_short_past(np.concatenate([past, np.zeros((4, len(truth.level)), int)]), truth.cross, settings)
        laws = LawsOfTheCity(truth, past, city.dispersion, WINDOWS)
        null_of_laws, null_of_truth = laws.null(least_count), {}
        for tally in tallies.values():
            tally.start()
        for _ in range(weeks_each):
            newest, risen = plant(rng, truth.weeks(rng, 4), city.size)
            heed = for_rises(learned.judge(newest, band=None, silences=False).windows)
            judged = {
                "heed": (combined(heed, least_count), null_steps(heed, least_count=least_count)),
                "laws, sums": (laws.p_values(newest, least_count), null_of_laws),
            }
            for name, sums in (("oracle", False), ("oracle, sums", True)):
                oracle = oracle_windows(truth, newest, sums=sums)
                if name not in null_of_truth:
                    null_of_truth[name] = null_steps(oracle, least_count=least_count)
                judged[name] = combined(oracle, least_count), null_of_truth[name]
            for name, (p, null) in judged.items():
                tallies[name].add(discrete_q_values(p, null), risen)
                tallies[f"{name}, BH"].add(q_values(p), risen)
        if after_past is not None:
            after_past(tallies)
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


def null_cells(
    rng: np.random.Generator,
    *,
    dispersion: float,
    weeks: int,
    areas: int,
    pasts: int,
    settings: ShortPastSettings = RISES,
) -> list[NullCell]:
    """P-values at most 1e-4 when nothing happens, by level and window; 50 categories, ten of each level.

    The last cell of each level, with window 0, is that of silences in any window: those thin series never have one.
    """
    both = replace(settings, silence_windows=(1, 3))
    area, category = np.repeat(np.arange(areas), 50), np.tile(np.arange(50), areas)
    which = category % len(NULL_LEVELS)
    level, ratio = np.array(NULL_LEVELS)[which], np.full(len(area), dispersion)
    found = []
    for _ in range(pasts):
        past = np.array([thin_draw(rng, level, ratio) for _ in range(weeks + 4)])
        newest = np.array([thin_draw(rng, level, ratio) for _ in range(4)])
        judged = learn_short_past(past, Cross(area, category), both).judge(newest, band=None).windows
        # A silence can be no less probable than no case at all: if that is common, so is every silence.
        chances = [*(rare_chance(one, level, ratio, _RARE) for one in for_rises(judged))]
        chances.append(np.any([one.zero_p <= _RARE for one in judged], axis=0).astype(float))
        found.append([np.bincount(which, weights=one) / np.bincount(which) for one in chances])
    shares = np.array(found)
    return [
        NullCell(NULL_LEVELS[row], dispersion, k, tuple(shares[:, column, row]))
        for row in range(len(NULL_LEVELS))
        for column, k in enumerate((*WINDOWS, 0))
    ]


@dataclass(frozen=True)
class Life:
    """What a life of weeks told: lists by week, (n_weeks, n_levels)."""

    told: Floats
    false: Floats
    risen: Floats  # (n_weeks,)
    found: Floats  # risen in the newest week or before, and told


def live(
    rng: np.random.Generator, *, areas: int, categories: int, weeks: int, city: Drawn, settings: ShortPastSettings
) -> Life:
    """Successive weeks, each by all before it (two to six years), learned anew every week."""
    past = 104
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
            learn_short_past(known, truth.cross, settings).judge(known[-4:], band=None, silences=False).windows
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


def _table_of_nulls(pasts: int, areas: int, settings: ShortPastSettings) -> None:
    _line("\nP(p <= 1e-4) / 1e-4 when nothing happens (two standard errors above); windows of 1, 2, 4 weeks; silences")
    for weeks in (60, 300):
        for dispersion in (1.0, 1.5, 2.0, 3.0, 5.0):
            began = time.process_time()
            drawn = {"dispersion": dispersion, "weeks": weeks, "areas": areas, "pasts": pasts}
            cells = null_cells(np.random.default_rng(2), **drawn, settings=settings)
            for level in NULL_LEVELS:
                shown = (f"{c.share * 1e4:5.2f} ({c.upper * 1e4:4.2f})" for c in cells if c.level == level)
                _line(f"  {weeks} weeks, dispersion {dispersion}, {level} a week: " + "  ".join(shown))
            _line(f"  {_spent(began)}")


def _table_of_lives(seed: int, weeks: int, areas: int, only: str | None, settings: ShortPastSettings) -> None:
    for name, drawn in CITIES.items():
        if only not in (None, name):
            continue
        began = time.process_time()
        life = live(np.random.default_rng(seed), areas=areas, categories=50, weeks=weeks, city=drawn, settings=settings)
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


def _table_of_cities(
    seed: int, pasts: int, weeks_each: int, areas: int, only: str | None, settings: ShortPastSettings
) -> None:
    for name, drawn in CITIES.items():
        if only not in (None, name):
            continue
        began = time.process_time()
        _line(f"\n{name}: {areas * 50:,} series, {pasts} pasts x {weeks_each} weeks")

        def so_far(tallies: dict[str, Tally], began: float = began) -> None:
            heed = tallies["heed"]
            (false, _), (ratio, _) = heed.mean("false"), power(tallies, "heed", "oracle")
            _line(
                f"  after {len(heed.false)} pasts, {_spent(began)}: FDR {_three(false)}, power of the oracle's "
                f"{_three(ratio)}"
            )

        rng = np.random.default_rng(seed)
        size = {"pasts": pasts, "weeks_each": weeks_each, "areas": areas}
        tallies = repeat(rng, **size, city=drawn, settings=settings, after_past=so_far)
        for who, tally in tallies.items():
            (false, error), (found, _) = tally.mean("false"), tally.mean("found")
            cells = (
                f"q {q:.2f}: FDR {f:.4f} +- {1.96 * e:.4f}, found {g:.3f}"
                for q, f, e, g in zip(LEVELS, false, error, found, strict=True)
            )
            _line(f"  {who:16} " + " | ".join(cells))
        for who, against in (("heed", "oracle"), ("heed", "oracle, sums"), ("laws, sums", "oracle, sums")):
            for control in ("", ", BH"):
                ratio, error = power(tallies, who + control, against + control)
                cells = (f"{r:.3f} +- {1.96 * e:.3f}" for r, e in zip(ratio, error, strict=True))
                _line(f"  power, {who} / {against}{control}: " + ", ".join(cells))
        _line(f"  {_spent(began)}")


def _three(values: Floats) -> str:
    return "/".join(f"{one:.3f}" for one in values)


def _spent(began: float) -> str:
    return f"{time.process_time() - began:.0f} CPU s"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work, and wide intervals")
    parser.add_argument("--only", choices=["r", "null", "cities", "life"], help="one of the tables")
    parser.add_argument("--city", choices=list(CITIES), help="one of the cities")
    parser.add_argument("--pasts", type=int, help="pasts per city; 25 newest weeks each (5 with --quick)")
    parser.add_argument("--weeks-each", type=int, help="newest weeks that share a past, instead of those")
    parser.add_argument("--seed", type=int, default=5, help="of the cities")
    parser.add_argument("--areas", type=int, help="areas per city, of 50 series each; 2,000 (200 with --quick)")
    parser.add_argument("--sums", action="store_true", help="judge thin rises by the sums of windows alone")
    chosen = parser.parse_args()
    settings = SUMS if chosen.sums else RISES
    quick = bool(chosen.quick)
    if chosen.only in (None, "r"):
        n_series = 10_000 if quick else 100_000
        began = time.process_time()
        for threshold, (false, told) in r_compatible(np.random.default_rng(1), n_series).items():
            parts = (f"q {q:.2f}: {f:.2f} of {n:.0f}" for q, f, n in zip(LEVELS, false, told, strict=True))
            _line(f"R-compatible, {threshold}, BH, {n_series:,} thin series: false " + ", ".join(parts))
        _line(f"  {_spent(began)}")
    if chosen.only in (None, "null"):
        _table_of_nulls(pasts=2 if quick else 5, areas=chosen.areas or (200 if quick else 2000), settings=settings)
    if chosen.only in (None, "cities"):
        pasts = chosen.pasts or (3 if quick else 40)
        each = chosen.weeks_each or (5 if quick else 25)
        _table_of_cities(chosen.seed, pasts, each, chosen.areas or (200 if quick else 2000), chosen.city, settings)
    if chosen.only in (None, "life"):
        _table_of_lives(7, 100 if quick else 1000, chosen.areas or (40 if quick else 200), chosen.city, settings)


if __name__ == "__main__":
    main()
