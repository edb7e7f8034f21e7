"""How good probabilities are: do they rank, and do they mean what they say?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from data.errors import NotEnoughDataError

Floats = NDArray[np.float64]

# Ten bins of equal count: with equal width, most bins of a rare outcome stand empty and one holds nearly everything.
ECE_BINS = 10
# Nothing is surer than this where a logarithm is taken: one in a million.
SURE = 1e-6
_NEWTON_ROUNDS = 100
_SINGULAR = 1e14


@dataclass(frozen=True, slots=True)
class Figures:
    """The four figures of a set of probabilities.

    Attributes
    ----------
    auc : area under the ROC curve; share of (failed, not failed) pairs put in the right order; 0.5 is guessing
    average_precision : mean precision over the recalls; the base rate is guessing
    brier : mean squared difference between probability and outcome; 0 is perfect
    ece : expected calibration error, `expected_calibration_error`
    n, base_rate : cases, and the share of them that failed
    """

    auc: float
    average_precision: float
    brier: float
    ece: float
    n: int
    base_rate: float

    def as_dict(self) -> dict[str, float | int]:
        """Plain values for JSON."""
        return asdict(self)


def figures(outcome: Floats, probability: Floats) -> Figures:
    """The figures of `probability`, shape (n,), against `outcome`, shape (n,), of 0 and 1.

    Raises
    ------
    NotEnoughDataError
        If all outcomes are the same: nothing can be ranked then.
    """
    if len(outcome) == 0 or outcome.min() == outcome.max():
        raise NotEnoughDataError(
            f"Expected cases that failed and cases that did not, but all {len(outcome):,} have the same outcome. "
            "Choose another split, or import a longer history."
        )
    return Figures(
        auc=float(roc_auc_score(outcome, probability)),
        average_precision=float(average_precision_score(outcome, probability)),
        brier=float(brier_score_loss(outcome, probability)),
        ece=expected_calibration_error(outcome, probability),
        n=len(outcome),
        base_rate=float(outcome.mean()),
    )


def log_loss(outcome: Floats, score: Floats) -> float:
    """Mean negative log-likelihood of outcomes, (n,) of 0 and 1, under scores in log-odds, (n,)."""
    return float(np.mean(np.logaddexp(0.0, score) - outcome * score))


def expected_calibration_error(outcome: Floats, probability: Floats, bins: int = ECE_BINS) -> float:
    """Mean over cases of |share that failed - mean probability| within their bin.

    Bins hold equally many cases (to within one), in order of probability; equal probabilities stay together, so that
    a constant prediction is one bin and not ten samples of it.

    Examples
    --------
    >>> expected_calibration_error(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    0.0
    """
    table = reliability(outcome, probability, bins)
    return float(np.average(np.abs(table["observed"] - table["predicted"]), weights=table["n"]))


def reliability(outcome: Floats, probability: Floats, bins: int = ECE_BINS) -> dict[str, Floats]:
    """The reliability curve: per bin the number of cases `n`, the mean `predicted` and the share `observed`.

    Returns
    -------
    dict of arrays, each of shape (k,), k <= bins, in order of probability.
    """
    order = np.argsort(probability, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    _, tied = np.unique(probability, return_inverse=True)
    middle = np.bincount(tied, weights=rank) / np.bincount(tied)
    bin_of = np.minimum((middle[tied] * bins / len(order)).astype(np.int64), bins - 1)
    n = np.bincount(bin_of, minlength=bins).astype(np.float64)
    used = n > 0
    predicted = np.bincount(bin_of, weights=probability, minlength=bins)[used] / n[used]
    observed = np.bincount(bin_of, weights=outcome, minlength=bins)[used] / n[used]
    return {"n": n[used], "predicted": predicted, "observed": observed}


@dataclass(frozen=True, slots=True)
class BrierParts:
    """The Brier score taken apart, over bins of the probability.

    With the two terms of what happens within a bin the sum is exact, whatever the bins:
    Brier = reliability - resolution + uncertainty + within_variance - within_covariance (Murphy 1973, Journal of
    Applied Meteorology 12:595, for the first three; Stephenson, Coelho and Jolliffe 2008, Weather and Forecasting
    23:752, for the others).

    Attributes
    ----------
    reliability : mean squared gap of probability and share that failed, between bins; 0 is perfect
    resolution : how far the bins' shares lie from the base rate, squared; more is better
    uncertainty : base rate times its complement; the Brier score of knowing the base rate alone
    within_variance : how far probabilities spread within their bin
    within_covariance : twice how far they rank within their bin
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float

    @property
    def brier(self) -> float:
        """The Brier score that the parts make."""
        return self.reliability - self.resolution + self.uncertainty + self.within_variance - self.within_covariance

    def as_dict(self) -> dict[str, float]:
        """Plain values for JSON."""
        return asdict(self)


def brier_parts(
    outcome: Floats, probability: Floats, bin_of: NDArray[np.int64], weight: Floats | None = None
) -> BrierParts:
    """Take the Brier score apart.

    Parameters
    ----------
    outcome : (n,) of 0 and 1
    probability : (n,)
    bin_of : (n,) int64, 0 to k - 1; any bins will do
    weight : (n,) above 0; all the same when None
    """
    w = np.ones(len(outcome)) if weight is None else weight
    w = w / w.sum()
    held = np.bincount(bin_of, weights=w)
    used = np.where(held > 0, held, 1.0)
    said = np.bincount(bin_of, weights=w * probability) / used
    seen = np.bincount(bin_of, weights=w * outcome) / used
    base = float(w @ outcome)
    apart, failed = probability - said[bin_of], outcome - seen[bin_of]
    return BrierParts(
        reliability=float(held @ (said - seen) ** 2),
        resolution=float(held @ (seen - base) ** 2),
        uncertainty=base * (1 - base),
        within_variance=float(w @ apart**2),
        within_covariance=float(2 * (w @ (failed * apart))),
    )


def log_odds(probability: Floats) -> Floats:
    """The log-odds of probabilities, kept within one in a million of 0 and 1."""
    kept = np.clip(probability, SURE, 1 - SURE)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def calibration_line(
    outcome: Floats, score: Floats, weight: Floats | None = None, *, slope: bool = True
) -> tuple[float, float]:
    """Intercept and slope of a logistic regression of the outcome on scores in log-odds (Cox 1958).

    A slope under 1 says that risks are too extreme, one above that they are too timid. With `slope=False` the slope is
    held at 1, and the intercept is the calibration in the large: above 0 where risks are too low on the whole (Van
    Calster and others 2016, Journal of Clinical Epidemiology 74:167).

    Returns
    -------
    (intercept, slope)
        NaN where there is no answer: one outcome only, equal scores, or scores that part the outcomes altogether.
    """
    w = np.ones(len(outcome)) if weight is None else weight
    design = np.column_stack([np.ones(len(score)), score])[:, : 1 + slope]
    offset = np.zeros(len(score)) if slope else score
    found = np.zeros(1 + slope)
    for _round in range(_NEWTON_ROUNDS):
        risk = _expit(design @ found + offset)
        gradient = design.T @ (w * (outcome - risk))
        hessian = (design * (w * risk * (1 - risk))[:, None]).T @ design
        if np.linalg.cond(hessian) > _SINGULAR:
            return float("nan"), float("nan")
        step = np.linalg.solve(hessian, gradient)
        found = found + np.clip(step, -4.0, 4.0)
        if np.abs(step).max() < 1e-10:
            return float(found[0]), float(found[1]) if slope else 1.0
    return float("nan"), float("nan")


def _expit(score: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(score / 2)))
