"""What others reported for these logs, and the plain baseline as it was first measured.

Published: pooled AUC, results.csv of AlexanderPaulStevens/Explainability-in-Process-Outcome-Prediction@b98c07f (same
split and cap); the best of six learners. Plain: LightGBM on static, last-state and aggregated features.
"""

from __future__ import annotations

from typing import Final

PUBLISHED: Final = {
    ("bpic2015_1", "missing_data"): 0.937,
    ("bpic2015_2", "missing_data"): 0.957,
    ("bpic2015_4", "missing_data"): 0.948,
}
PLAIN: Final = {
    ("bpic2015_1", "missing_data"): (0.949, 0.914),
    ("bpic2015_2", "missing_data"): (0.956, 0.927),
    ("bpic2015_4", "missing_data"): (0.951, 0.895),
    ("uci_servicenow_incidents", "sla_breach"): (0.855, 0.833),
    ("uci_servicenow_incidents", "bounced_3plus"): (0.889, 0.882),
    ("uci_servicenow_incidents", "reopened"): (0.607, 0.588),
    ("coselog_receipt", "deadline_missed"): (0.714, 0.710),
    ("coselog_receipt", "receipt_over_7d"): (0.811, 0.814),
    ("helpdesk_it", "reopened"): (0.572, 0.571),
    ("helpdesk_it", "over_45d"): (0.712, 0.697),
    ("bpic2020_requests_for_payment", "rejected"): (0.801, 0.745),
    ("bpic2020_requests_for_payment", "over_14d"): (0.783, 0.764),
    ("traffic_fines", "credit_collection"): (0.815, 0.718),
}
# Mean absolute error in days: plain LightGBM, median of the training prefixes of the same length.
PLAIN_REMAINING: Final = {
    "coselog_receipt": (1.98, 1.42),
    "helpdesk_it": (5.14, 9.80),
    "bpic2015_1": (37.1, 44.4),
    "bpic2015_2": (60.6, 62.8),
    "bpic2015_4": (48.8, 46.9),
    "uci_servicenow_incidents": (4.60, 5.68),
    "bpic2020_requests_for_payment": (4.02, 4.88),
    "traffic_fines": (198.2, 215.6),
}
