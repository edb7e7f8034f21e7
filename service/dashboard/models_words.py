"""The words of the pages of models, by their codes."""

from __future__ import annotations

from typing import Final

from service.language import marked

STATES: Final = {
    "usable": marked("Can be used"),
    "misfit": marked("Made for other features or libraries"),
    "refused": marked("Refused by the boundary"),
    "damaged": marked("Damaged, or not signed as asked"),
}
ALIASES: Final = {
    "champion": marked("In use"),
    "challenger": marked("Next in line"),
    "shadow": marked("Scored beside, not shown"),
    "previous": marked("In use before"),
}
# Why, as the code that the history keeps.
WHY: Final = {
    "better-in-backtest": marked("Better in the back-test"),
    "newer-data": marked("Knows newer cases"),
    "trial": marked("To be tried beside the other"),
    "worse-in-use": marked("The one in use does worse than it did"),
}
# Why gates that are not passed are gone over.
OVERRIDES: Final = {
    "one-in-use-is-broken": marked("The one in use cannot go on"),
    "new-year-of-rules": marked("The rules have changed, and the past does not tell"),
    "agreed-trial": marked("A trial that was agreed on"),
}
FIGURES: Final = {
    "brier": marked("Brier score (less is better)"),
    "log_loss": marked("Log loss (less is better)"),
    "auc": marked("AUC (more is better)"),
    "average_precision": marked("Average precision (more is better)"),
    "ece": marked("Calibration error (less is better)"),
    "precision_at_capacity": marked("Failed, of those attended at capacity (more is better)"),
    "recall_at_capacity": marked("Failures found at capacity (more is better)"),
}
LEVELS: Final = {
    "stable": marked("Stable"),
    "moved": marked("Moved"),
    "moved_much": marked("Moved much"),
    "unknown": marked("Too few cases to say"),
}
MARK_OF_LEVEL: Final = {"stable": "usual", "moved": "raised", "moved_much": "high", "unknown": "unknown"}
ACTIONS: Final = {
    "saved": marked("Saved"),
    "promoted": marked("Put to use"),
    "rolled_back": marked("Put back to use"),
    "signed": marked("Signed"),
    "pruned": marked("Taken away"),
}
