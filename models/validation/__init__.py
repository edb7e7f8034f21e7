"""How good risks would have been: folds in time, figures with intervals, baselines, slices.

rows = Rows(X, y, at=…, matures_at=…, groups=…, keys=…, as_of=…)
found = backtest_folds(lambda: RiskModel(), rows, n_folds=5, capacity=20, n_jobs=2)
found.figured.figures["auc"]          # Estimate(value, low, high)
found.beats()                         # {"category_rate": "beats", …}
found.as_dict()                       # for JSON
"""

from models.validation.folds import Fold, rolling_folds, single_fold
from models.validation.judge import Estimate, Judge
from models.validation.rows import Labels, Rows, once_per_case

__all__ = ["Estimate", "Fold", "Judge", "Labels", "Rows", "once_per_case", "rolling_folds", "single_fold"]
