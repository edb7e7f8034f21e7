"""From scores to probabilities that mean what they say, each with an interval, and kept up to date as outcomes come in.

`choose_calibration` picks the simplest curve that later cases do not refuse; `calibrator_from_dict` reads back what a
model file holds; `RollingCalibration` follows the service while outcomes mature, and `DelayedCalibration` does not wait
until they have, but learns from what is still unknown as well.
"""

from models.calibration.band import Band
from models.calibration.beta import Beta
from models.calibration.calibrator import Calibrator
from models.calibration.choice import METHODS, calibrator_from_dict, choose_calibration
from models.calibration.delayed import DelayedCalibration, Delays
from models.calibration.identity import Identity
from models.calibration.isotonic import Isotonic
from models.calibration.platt import PRIOR_STRENGTH, Calibration
from models.calibration.rolling import Followed, RollingCalibration
from models.calibration.venn_abers import VennAbers

__all__ = [
    "METHODS",
    "PRIOR_STRENGTH",
    "Band",
    "Beta",
    "Calibration",
    "Calibrator",
    "DelayedCalibration",
    "Delays",
    "Followed",
    "Identity",
    "Isotonic",
    "RollingCalibration",
    "VennAbers",
    "calibrator_from_dict",
    "choose_calibration",
]
