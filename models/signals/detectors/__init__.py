"""Detectors of rises in counts over a whole table of series: one class a method, `fit` and `detect`."""

from models.signals.detectors.base import COLUMNS, WHY, Detector
from models.signals.detectors.bayes import Bayes
from models.signals.detectors.cdc import Cdc
from models.signals.detectors.cusum import Cusum
from models.signals.detectors.ears import Ears
from models.signals.detectors.farrington_1996 import Farrington1996
from models.signals.detectors.farrington_flexible import FarringtonFlexible
from models.signals.detectors.glr import Glr
from models.signals.detectors.names import DETECTORS, find_method, make_detector, parameters_in_words
from models.signals.detectors.outbreak_p import OutbreakP
from models.signals.detectors.rki import Rki
from models.signals.detectors.seasonal import Seasonal

__all__ = [
    "COLUMNS",
    "DETECTORS",
    "WHY",
    "Bayes",
    "Cdc",
    "Cusum",
    "Detector",
    "Ears",
    "Farrington1996",
    "FarringtonFlexible",
    "Glr",
    "OutbreakP",
    "Rki",
    "Seasonal",
    "find_method",
    "make_detector",
    "parameters_in_words",
]
