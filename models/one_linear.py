"""The linear parts of all models for one case, to the bit as `models.risk_model.linear` tells them one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.risk_model.linear import Linear

Floats = NDArray[np.float64]

_FARTHEST: Final = 5.0
# The order of terms here: the heavy-tailed, plain numbers, whether something is missing, whether it is a level.
_KINDS: Final = {"log": 0, "missing": 2, "level": 3}


class Linears:
    """The linear parts of all models: all terms at once, each model's added up one after another as by `Linear.score`.

    Parameters
    ----------
    linears : the linear parts
    starts : of each model, where the parts of its start stand in a row
    features : how many there are, at the begin of a row
    """

    def __init__(self, linears: Sequence[Linear], starts: Sequence[Sequence[int]], features: int) -> None:
        placed = zip(range(len(linears)), linears, strict=True)
        terms = [(m, number, term) for m, linear in placed for number, term in enumerate(linear.terms)]
        # Side by side what is worked out alike, so that it is a stretch and not a choice.
        terms.sort(key=lambda each: _KINDS.get(each[2].kind, 1))
        self._place = np.array(
            [term.place if term.place < features else starts[m][term.place - features] for m, _n, term in terms],
            dtype=np.intp,
        )
        self._mean, self._scale, self._coefficient = (
            np.array([getattr(term, name) for _m, _n, term in terms]) for name in ("mean", "scale", "coefficient")
        )
        kinds = [_KINDS.get(term.kind, 1) for _m, _n, term in terms]
        self._logs, self._numbers, self._missing = (bisect_right(kinds, kind) for kind in range(3))
        self._unit = np.array([term.unit for _m, _n, term in terms[: self._logs]])
        self._intercepts = np.array([linear.intercept for linear in linears])
        # Where each model's numbers stand, its intercept behind all terms, and then its terms: one of each model in
        # turn, since a sum has to wait for its own last step.
        stand = [(0, m, len(terms) + m) for m in range(len(linears))]
        stand += [(number + 1, m, at) for at, (m, number, _term) in enumerate(terms)]
        _turns, self._model_of, self._order = (
            np.array(each, dtype=np.intp) for each in zip(*sorted(stand), strict=True)
        )

    def scores(self, row: Floats) -> list[float]:
        """The score of each model's linear part, in log-odds, of features with the parts of all starts behind them."""
        terms = len(self._place)
        raw = row.take(self._place)
        null = np.isnan(raw)
        numbers = np.empty(terms + len(self._intercepts))
        numbers[terms:] = self._intercepts
        values = numbers[:terms]
        values[:] = raw
        if self._logs:
            heavy = raw[: self._logs]
            values[: self._logs] = np.copysign(np.log1p(np.abs(heavy) / self._unit), heavy)
        values -= self._mean
        values /= self._scale
        np.maximum(values, -_FARTHEST, out=values)
        np.minimum(values, _FARTHEST, out=values)
        values[null] = 0.0
        begin, end = self._numbers, self._missing
        if end > begin:
            values[begin:end] = null[begin:end] - self._mean[begin:end]
        if terms > end:
            values[end:] = raw[end:] == self._scale[end:]
        values *= self._coefficient
        found: list[float] = np.bincount(self._model_of, numbers.take(self._order), len(self._intercepts)).tolist()
        return found
