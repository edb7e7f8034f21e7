"""What a probability is made of, exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import explain

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """n probabilities and what they are made of.

    Attributes
    ----------
    base : (n,) probability that a case starts from
    points : DataFrame (n, k), one column per feature; what each adds, in probability (times 100: percentage points)
    probability : (n,), `base` plus the row sum of `points`, to rounding
    """

    base: Floats
    points: pd.DataFrame
    probability: Floats


def allocate(parts: pd.DataFrame, score: Floats, link: Callable[[Floats], Floats]) -> Explanation:
    """Probabilities as a base and what each part adds, by the two walks of `models.explain`.

    Parameters
    ----------
    parts : (n, k) in log-odds
    score : (n,) log-odds of which the parts are parts
    link : never-falling function from scores to probabilities, elementwise
    """
    base, points, probability = explain.allocate(parts, score, link)
    return Explanation(base, points, probability)
