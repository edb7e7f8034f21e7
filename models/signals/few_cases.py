"""What a past of few cases says about its dispersion, and what it leaves open: a law in place of an estimate.

Nine cases in six years, each in a week of its own, are what chance makes of them, or what is left of three or four
groups that came singly by luck. An estimate of the variance calls the first certain, and far tails rest on it. Here
every dispersion between 1 and 12 is weighed by how well it explains the weeks. With variance = phi x mean, a negative
binomial, and means known but for a common factor,

    weight(phi)  ~  integral over the factor of the product over weeks of P(count; factor x mean, phi) ,

the logarithm of the factor taken for uniform, and phi for uniform too (or its logarithm), before any week is seen. A
week that was taken for an outbreak says only that it lay beyond its limit (a censored observation): how far is the
outbreak's business, that there was one is the dispersion's.

Uniform in phi favours large ones: a past that cannot tell is judged as if its cases came in groups. For six years of
thin weeks that is the side to err on; half a year would never get away from it. There one series in five is thought to
be calm, and phi uniform in its logarithm in the others (a spike and a slab, Mitchell and Beauchamp 1988, J. Am.
Statist. Assoc. 83:1023): without the spike calm series had a third of the alarms they have with it, and with a larger
one p-values at or below 1e-4 came more often than they say.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.signals.distribution import count_quantile, count_tail, mixed_tail

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Variance over mean; the first stands for a Poisson law.
PHI: Final[Floats] = np.array([1.001, 1.08, 1.17, 1.28, 1.42, 1.6, 1.85, 2.2, 2.7, 3.4, 4.4, 6.0, 8.5, 12.0])
_UNIFORM: Final[Floats] = np.gradient(PHI)
_IN_LOG: Final[Floats] = _UNIFORM / PHI / (_UNIFORM / PHI).sum()
_CALM: Final = 0.2
_OF_FEW_WEEKS: Final[Floats] = (1.0 - _CALM) * _IN_LOG + _CALM * (np.arange(len(PHI)) == 0)
# Thick weeks can vary more, where there are good weeks and bad ones. The dispersion may reach twice their mean, that is
# a deviation of 1.4 times the mean.
_MORE: Final[Floats] = PHI[-1] * 1.4 ** np.arange(1.0, 80.0)
_MOST_OF_LEVEL: Final = 2.0
_LOG_DENSITY: Final = (1.0 - _CALM) / float((_UNIFORM / PHI).sum())
# Points and weights that stand for a normal distribution of the common factor's logarithm (Gauss-Hermite).
_NODES: Final = np.polynomial.hermite_e.hermegauss(5)
# Up to so many cases the law is taken; from so many on the squared residuals say the same, and know outbreaks better.
FEW: Final = 100.0
MANY: Final = 300.0
# Counts up to which their product is taken factor by factor; beyond, the gamma function is quicker.
_TOLD_ONE_BY_ONE: Final = 60.0
# A week with fewer cases is no outbreak.
_LEAST_OUTBREAK: Final = 2.0
_LEAST_CHANCE: Final = 1e-300


def thinness(cases: Floats) -> Floats:
    """1 up to `FEW` cases in the whole past, 0 from `MANY` on, falling evenly with the logarithm; the same shape."""
    with np.errstate(divide="ignore"):
        share: Floats = np.clip(np.log(MANY / cases) / np.log(MANY / FEW), 0.0, 1.0)
    return share


def dispersion_law(
    counts: Floats, mean: Floats, seen: Floats, *, beyond: tuple[Bools, Floats] | None = None, few_weeks: bool = False
) -> Floats:
    """How likely each dispersion of `PHI` is; (n_series, n_phi), rows sum to 1.

    Parameters
    ----------
    counts : (n_series, n_weeks) whole numbers; what stands where a week is missing does not matter
    mean : (n_series, n_weeks) expected cases but for a common factor
    seen : (n_series, n_weeks) 1 where the week has a count, else 0
    beyond : weeks taken for outbreaks, and the counts from which on a week is one; (n_series, n_weeks) each, the second
        read where the first is true. None: no week was.
    few_weeks : before any week is seen, what is thought of half a year, in place of uniform in phi

    A series without a case keeps what was thought before.
    """
    outside = np.zeros(counts.shape, dtype=bool) if beyond is None else beyond[0] & (counts >= beyond[1])
    kept = seen * ~outside
    cases = (counts * kept).sum(axis=1)
    told = told_by_weeks(counts, mean, kept)
    series, week = np.nonzero(outside & (seen > 0.0))
    if beyond is not None and len(series):
        at, level = beyond[1][series, week], mean[series, week]
        for place, phi in enumerate(PHI):
            log = np.log(np.maximum(count_tail(at, level, level * phi), _LEAST_CHANCE))
            told[:, place] += np.bincount(series, weights=log, minlength=len(counts))
    told[(cases <= 0.0) & ~outside.any(axis=1)] = 0.0
    return _normed(told, few_weeks=few_weeks)


def dispersion_law_of_level(counts: Floats, seen: Bools, *, few_weeks: bool = False) -> Floats:
    """`dispersion_law` of weeks that all expect the same, in a fraction of the time; (n_series, n_phi).

    Which week had how many cases does not matter then, only how many weeks had more than none, one, two, ...
    """
    cases, weeks = (counts * seen).sum(axis=1), np.maximum(seen.sum(axis=1), 1.0)
    level = np.maximum(cases, 0.5) / weeks
    held = np.where(seen, counts, 0.0)
    if held.max(initial=0.0) > _TOLD_ONE_BY_ONE:
        return dispersion_law(held, np.tile(level[:, None], held.shape[1]), seen.astype(float), few_weeks=few_weeks)
    more = np.stack([(held > number).sum(axis=1) for number in range(int(held.max(initial=0.0)))] or [0.0 * cases], 1)
    told = np.empty((len(counts), len(PHI)))
    for place, phi in enumerate(PHI):
        width, factor = _factors(phi, cases)
        size = level[:, None] * factor / (phi - 1.0)
        log = _of_sums(phi, np.maximum(cases, 0.5), cases, factor)
        for number in np.flatnonzero(more.any(axis=0)):
            log += more[:, number, None] * np.log(size + number)
        told[:, place] = _integrated(log, width)
    told[cases <= 0.0] = 0.0
    return _normed(told, few_weeks=few_weeks)


def dispersions_of_level(counts: Floats, seen: Bools) -> tuple[Floats, Floats]:
    """Dispersions, and `dispersion_law_of_level` over them, of half a year; (n_phi,) and (n_series, n_phi).

    Those of `PHI`, and beyond them as far as weeks of these levels can vary.
    """
    level = (counts * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1.0)
    reach = _MOST_OF_LEVEL * level
    thick = np.flatnonzero(reach > _MORE[0])
    phi = np.append(PHI, _MORE[reach.max(initial=0.0) >= _MORE])
    law = np.zeros((len(counts), len(phi)))
    law[:, : len(PHI)] = dispersion_law_of_level(counts, seen, few_weeks=True)
    if len(thick):
        held = np.where(seen[thick], counts[thick], 0.0)
        means = np.tile(level[thick, None], held.shape[1])
        told = told_by_weeks(held, means, seen[thick].astype(float), phi)
        before = np.append(_OF_FEW_WEEKS, np.full(len(phi) - len(PHI), _LOG_DENSITY * np.log(_MORE[1] / _MORE[0])))
        law[thick] = _weighted(told, np.where(phi <= np.maximum(reach[thick, None], PHI[-1]), before, 0.0))
    return phi, law


def _normed(told: Floats, *, few_weeks: bool) -> Floats:
    return _weighted(told, _OF_FEW_WEEKS if few_weeks else _UNIFORM)


def _weighted(told: Floats, before: Floats) -> Floats:
    weights = np.exp(told - told.max(axis=1, keepdims=True)) * before
    law: Floats = weights / weights.sum(axis=1, keepdims=True)
    return law


def outbreak_limits(mean: Floats, phi: Floats, level: float, where: Bools) -> Floats:
    """Smallest counts beyond what chance gives at this level, where asked; (n_series, n_weeks), NaN elsewhere."""
    limits = np.full(mean.shape, np.nan)
    series, week = np.nonzero(where)
    one = mean[series, week]
    limits[series, week] = np.maximum(
        count_quantile(1.0 - level, one, np.maximum(phi, 1.0)[series] * one) + 1.0, _LEAST_OUTBREAK
    )
    return limits


def told_by_weeks(
    counts: Floats,
    mean: Floats,
    kept: Floats,
    dispersions: Floats = PHI,
    *,
    level_power: float = 0.0,
) -> Floats:
    """Log likelihood of every dispersion, the common factor integrated out; (n_series, n_phi), up to a constant.

    Parameters
    ----------
    counts, mean, kept : (n_series, n_weeks), as `counts`, `mean` and `seen` of `dispersion_law`
    dispersions : (n_phi,), or (n_series, n_phi) where each series has its own; above 1
    level_power : what is thought of the factor before any week is seen, as a power of it over the uniform logarithm
    """
    n, cases = len(counts), (counts * kept).sum(axis=1)
    expected = (mean * kept).sum(axis=1)
    series, week = np.nonzero((counts > 0.0) & (kept > 0.0))
    number, level = counts[series, week], mean[series, week]
    told = np.empty((n, dispersions.shape[-1]))
    for place in range(told.shape[1]):
        phi = np.broadcast_to(dispersions[..., place], n)
        width, factor = _factors(phi, cases)
        size = level[:, None] * factor[series] / (phi[series, None] - 1.0)
        log = _of_sums(phi, expected, cases, factor) + level_power * np.log(factor)
        rising = _log_rising(size, number)
        for node in range(factor.shape[1]):
            log[:, node] += np.bincount(series, weights=rising[:, node], minlength=n)
        told[:, place] = _integrated(log, width)
    return told


def _factors(phi: Floats | float, cases: Floats) -> tuple[Floats, Floats]:
    """How uncertain the logarithm of the common factor is (n,), and the factors that stand for it (n, n_nodes)."""
    width: Floats = np.sqrt(phi / np.maximum(cases, 1.0))
    return width, np.exp(_NODES[0] * width[:, None])


def _of_sums(phi: Floats | float, expected: Floats, cases: Floats, factor: Floats) -> Floats:
    """What weeks without a case, and the normalisation of the others, say: it depends on sums alone; (n, n_nodes)."""
    return np.asarray(
        -(expected * np.log(phi) / (phi - 1.0))[:, None] * factor + (cases * np.log1p(-1.0 / phi))[:, None]
    )


def _integrated(log: Floats, width: Floats) -> Floats:
    """Over the factors: their points are those of a normal law, and what is integrated has none; (n,)."""
    return np.asarray(special.logsumexp(log + _NODES[0] ** 2 / 2.0 + np.log(_NODES[1]), axis=1) + np.log(width))


def _log_rising(size: Floats, number: Floats) -> Floats:
    """Log of size x (size + 1) x ... x (size + number - 1); (n, n_nodes) with (n,) numbers, each 1 or more."""
    log: Floats = np.asarray(np.log(size))
    more = np.flatnonzero(number > 1.0)
    log[more] = special.gammaln(size[more] + number[more, None]) - special.gammaln(size[more])
    return log


def as_lognormal(law: Floats) -> tuple[Floats, Floats]:
    """Mean of log phi, and its deviation; (n_series,) each."""
    middle: Floats = law @ np.log(PHI)
    return middle, np.sqrt(np.maximum(law @ np.log(PHI) ** 2 - middle**2, 0.0))


def mixed_quantile(probability: float, mean: Floats, variance: Floats, weight: Floats) -> Floats:
    """Smallest count y with P(Y <= y) >= probability for averages of negative binomials; (n_series,).

    `mean`, `variance`, `weight`: (n_series, n_parts). Looked for around the quantile of one negative binomial with the
    mean and variance of the average: stepped out from until it is enclosed, and halved.
    """
    middle = (weight * mean).sum(axis=1)
    spread = (weight * (variance + mean**2)).sum(axis=1) - middle**2

    def enough(count: Floats, rows: NDArray[np.int64]) -> Bools:
        tail = mixed_tail(count + 1.0, mean[rows], variance[rows], weight[rows])
        return np.asarray(tail <= 1.0 - probability)

    guess = count_quantile(probability, middle, spread)
    low, high = np.full(len(guess), -1.0), np.full(len(guess), np.inf)
    step, open_ = np.ones(len(guess)), np.arange(len(guess))
    # `low` is too small, `high` is not.
    while len(open_):
        at = guess[open_]
        told = enough(at, open_)
        high[open_], low[open_] = np.where(told, at, high[open_]), np.where(told, low[open_], at)
        open_ = open_[high[open_] - low[open_] > 1.0]
        below, above = low[open_], high[open_]
        down = np.where(below < 0.0, np.maximum(above - step[open_], 0.0), np.floor((below + above) / 2.0))
        guess[open_] = np.where(np.isinf(above), below + step[open_], down)
        step[open_] *= 2.0
    return high
