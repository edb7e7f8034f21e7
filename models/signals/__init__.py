"""Weak signals and pressure: which problems are quietly growing where, with false alarms under control."""

from models.signals.budget import more_signals, told_first
from models.signals.counts import ALL, WeeklyCounts, weekly_counts
from models.signals.detect import SignalSettings, assess_series, detect_signals, history
from models.signals.pressure import pressure
from models.signals.related import related
from models.signals.sentence import more_sentence, reason_sentence, signal_sentence

__all__ = [
    "ALL",
    "SignalSettings",
    "WeeklyCounts",
    "assess_series",
    "detect_signals",
    "history",
    "more_sentence",
    "more_signals",
    "pressure",
    "reason_sentence",
    "related",
    "signal_sentence",
    "told_first",
    "weekly_counts",
]
