"""Scan statistics: clusters of cases among neighbouring places, over a stretch of time, with Monte Carlo p-values."""

from models.signals.scan.flexible import flexible_zones
from models.signals.scan.nulls import (
    BernoulliNull,
    ExpectationNull,
    NegativeBinomialNull,
    Null,
    PermutationNull,
    PoissonNull,
    bernoulli_null,
    permutation_null,
)
from models.signals.scan.restricted import RestrictedZones, restricted_zones
from models.signals.scan.scan import CLUSTER_COLUMNS, ScanResult, largest_by_zone, scan
from models.signals.scan.standardise import indirectly_standardised, person_time
from models.signals.scan.weekly import scan_counts
from models.signals.scan.windows import Windows, alive_windows, all_windows, whole_period
from models.signals.scan.zones import Family, Zones, circular_zones, listed_zones, nearest_zones, whole_area

__all__ = [
    "CLUSTER_COLUMNS",
    "BernoulliNull",
    "ExpectationNull",
    "Family",
    "NegativeBinomialNull",
    "Null",
    "PermutationNull",
    "PoissonNull",
    "RestrictedZones",
    "ScanResult",
    "Windows",
    "Zones",
    "alive_windows",
    "all_windows",
    "bernoulli_null",
    "circular_zones",
    "flexible_zones",
    "indirectly_standardised",
    "largest_by_zone",
    "listed_zones",
    "nearest_zones",
    "permutation_null",
    "person_time",
    "restricted_zones",
    "scan",
    "scan_counts",
    "whole_area",
    "whole_period",
]
