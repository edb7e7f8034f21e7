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
