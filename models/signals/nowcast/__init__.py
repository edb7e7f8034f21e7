"""Reporting delay: how much of the newest weeks is known yet, and how many reports they will have in the end."""

from models.signals.nowcast.chain_ladder import chain_ladder
from models.signals.nowcast.completeness import Completeness, CompletenessSettings, completeness
from models.signals.nowcast.delay import DelayLaw, delay_law
from models.signals.nowcast.final_counts import nowcast
from models.signals.nowcast.lawless import lawless
from models.signals.nowcast.report_table import read_reports
from models.signals.nowcast.triangle import ReportingTriangle

__all__ = [
    "Completeness",
    "CompletenessSettings",
    "DelayLaw",
    "ReportingTriangle",
    "chain_ladder",
    "completeness",
    "delay_law",
    "lawless",
    "nowcast",
    "read_reports",
]
