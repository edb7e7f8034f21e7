"""Weak signals and pressure: which problems are quietly growing where, with false alarms under control."""

from models.signals.counts import ALL, WeeklyCounts, weekly_counts
from models.signals.detect import SignalSettings, assess_series, detect_signals, history
from models.signals.pressure import pressure
from models.signals.sentence import reason_sentence, signal_sentence

__all__ = [
    "ALL",
    "SignalSettings",
    "WeeklyCounts",
    "assess_series",
    "detect_signals",
    "history",
    "pressure",
    "reason_sentence",
    "signal_sentence",
    "weekly_counts",
]
