"""The estimator at the heart of heed: calibrated, explainable risks from any table, by the scikit-learn contract."""

from models.risk_model.estimator import RiskModel
from models.risk_model.reasons import Explanation

__all__ = ["Explanation", "RiskModel"]
