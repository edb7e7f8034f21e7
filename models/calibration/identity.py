"""Scores that are left as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from scipy.special import expit

from models.calibration.band import Band
from models.calibration.calibrator import Floats, WithInterval


@dataclass(frozen=True, slots=True)
class Identity(WithInterval):
    """probability = expit(score).

    Attributes
    ----------
    n : cases that did not speak against it
    band : see `models.calibration.band`
    """

    name: ClassVar[str] = "identity"
    n: int = 0
    band: Band | None = None

    def probability(self, score: Floats) -> Floats:
        """Probabilities, elementwise."""
        told: Floats = expit(score)
        return told

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "n": self.n, **self._band_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(n=int(values["n"]), band=band_from(values))


def band_from(values: dict[str, Any]) -> Band | None:
    """The band of a calibrator's `as_dict`, if it has one."""
    return Band.from_dict(values["band"]) if values.get("band") is not None else None
