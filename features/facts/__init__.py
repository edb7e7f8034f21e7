"""The event log turned into facts: small integer rows at the moment they became known, to be summed over windows.

A fact is never taken back or moved by what comes later. That is why facts are made from events and not from folded
cases: folding lets a second closing erase the first, and a query about the time between would see the future.

    fact table   one row per …                                   measures (int64)
    arrivals     case that has stood open for a minute            n, promised, log_promise (as log_hours)
    balance      opening, ending, reopening, change of office     open (+1 or -1)
    overdue      promise passed unkept, and its end               overdue (+1 or -1)
    matured      promise that fell due                            n, late
    stage_0 … 7  stretch of a promise that a case began open      n, closed (within the stretch)
    closures     closing that was not near-instant                n, log_hours (ln of hours, in thousandths),
                                                                  within_1d, within_7d, within_30d,
                                                                  judged (the reason says how it ended),
                                                                  unresolved (`features.outcomes.reasons`)
    held         closing, 28 days after it became known           n, reopened (and known to be, by then)
    tiers        case, 28 days after its opening became known     n, handed_up (and known to be, by then)
    moves        hand-over to another office or tier              n
    findings     inspection of a place or asset                   n, serious (or worse), dangerous
    capacity     change of what an office can do                  capacity (thousandths of a case per working day)
    near_…       fact of arrivals, balance, overdue or closures   those of the table, filed under each area that the
                 in an area next to this one                      fact's own area lies next to

A fact counts for the office responsible at its moment, save that a hand-over (`moves`, `tiers`) counts for the office
that gave the case away, a closing (`closures`, `held`) for the one that closed it, and a stretch of a promise for the
one that the opening names.
"""

from features.facts.build import facts_from_events
from features.facts.delta import Known, delta_facts, opened_only
from features.facts.promised import promise_keys, promised_seconds
from features.facts.tables import (
    FACT_TABLES,
    KEY_COLUMNS,
    LOG_HOURS_SCALE,
    NEAR_TABLES,
    STAGES,
    Facts,
    Int64s,
    facts_contract,
    no_facts,
)
from features.facts.work import FOLLOW_UP_SECONDS

__all__ = [
    "FACT_TABLES",
    "FOLLOW_UP_SECONDS",
    "KEY_COLUMNS",
    "LOG_HOURS_SCALE",
    "NEAR_TABLES",
    "STAGES",
    "Facts",
    "Int64s",
    "Known",
    "delta_facts",
    "facts_contract",
    "facts_from_events",
    "no_facts",
    "opened_only",
    "promise_keys",
    "promised_seconds",
]
