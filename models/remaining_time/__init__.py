"""How long until the office will have answered an open case."""

from models.remaining_time.coherence import DeadlineShape, coherent
from models.remaining_time.distribution import Distribution
from models.remaining_time.estimator import RemainingTime
from models.waiting_words import interval_sentence

__all__ = ["DeadlineShape", "Distribution", "RemainingTime", "coherent", "interval_sentence"]
