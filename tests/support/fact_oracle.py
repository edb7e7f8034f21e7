"""Every fact of a log, worked out case by case with loops and plain numbers: slow, and written without the package.

A fact is a tuple (at, category, category_group, area, channel, office, promise, promise_fine, *measures).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pandas as pd

DAY = 86_400
MONTH = 28 * DAY
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
NEVER = (1 << 34) - 1
_ORDER = (
    "opened", "assigned", "transferred", "handed_up", "replied", "paused", "resumed", "closed", "reopened", "withdrawn",
    "duplicate", "amended",
)  # fmt: skip
_OPEN = {"opened": True, "reopened": True, "closed": False, "withdrawn": False, "duplicate": False}
_UNSOLVED = ("noted", "scheduled", "no_access")
_SETTLED = ("resolved", "invalid", "no_violation", "referred")


def facts_by_loops(events: pd.DataFrame, followed: dict[str, int] | None = None) -> dict[str, Counter[tuple]]:
    """Fact tables that come from events, each as a multiset of tuples."""
    found: dict[str, list[tuple]] = defaultdict(list)
    stories: dict[str, list[dict]] = defaultdict(list)
    for row in events.to_dict("records"):
        stories[row["case_id"]].append({name: None if pd.isna(value) else value for name, value in row.items()})
    for case, story in stories.items():
        story.sort(key=lambda row: (row["known_at"], row["at"], _ORDER.index(row["kind"])))
        _Case(story, (followed or {}).get(case, NEVER), found).tell()
    return {name: Counter(rows) for name, rows in found.items()}


class _Case:
    def __init__(self, story: list[dict], followed: int, found: dict[str, list[tuple]]) -> None:
        self.story, self.followed, self.found = story, followed, found
        self.opening = next(row for row in story if row["kind"] == "opened")
        self.counts_from = self.opening["known_at"] + 60
        self.promised = max((self.opening["due_at"] or 0) - self.opening["at"], 0)
        limit = self.opening["at"] + 60
        self.passed_over = any(row["kind"] == "closed" and row["known_at"] <= limit for row in story)
        office, is_open, heard_of = None, False, False
        for row in story:
            row["office_before"], row["open_before"] = office, is_open
            office = row["office"] or office
            # An opening opens a case of which nothing was known before.
            is_open = _OPEN.get(row["kind"], is_open) if row["kind"] != "opened" or not heard_of else is_open
            heard_of = heard_of or row["kind"] in _OPEN
            row["office_after"], row["open_after"] = office, is_open
            row["counts"] = max(row["known_at"], self.counts_from)

    def file(self, table: str, at: int, office: str | None, *measures: int) -> None:
        named = self.opening
        octaves = math.log2(self.promised / 3600) if self.promised else None
        coarse = None if octaves is None else str(min(max(math.floor(octaves + 0.5), 2), 14))
        fine = None if octaves is None else str(math.floor(2 * octaves + 0.5))
        keys = (named["category"], named["category_group"], named["area"], named["channel"], office, coarse, fine)
        self.found[table].append((at, *keys, *measures))

    def tell(self) -> None:
        for i, row in enumerate(self.story):
            moved = row["office_after"] is not None and row["office_after"] != row["office_before"]
            if row["kind"] in ("assigned", "transferred", "handed_up") and moved and row["office_before"] is not None:
                self.file("moves", row["counts"], row["office_before"], 1)
            if row["kind"] == "closed" and row["open_before"] and row["at"] - self.opening["at"] > 60:
                self.closing(i, row)
        if self.passed_over:
            return
        log = _thousandths(self.promised) if self.promised else 0
        self.file("arrivals", self.counts_from, self.opening["office_after"], 1, int(self.promised > 0), log)
        for row in self.story:
            for office, change in self.turn(row):
                self.file("balance", row["counts"], office, change)
        self.promise()
        self.stages()
        self.tier()

    def turn(self, row: dict) -> list[tuple[str | None, int]]:
        if row["open_before"] != row["open_after"]:
            return [(row["office_after"], 1) if row["open_after"] else (row["office_before"], -1)]
        if row["open_after"] and row["office_after"] != row["office_before"]:
            return [(row["office_before"], -1), (row["office_after"], 1)]
        return []

    def closing(self, i: int, row: dict) -> None:
        seconds = row["at"] - self.opening["at"]
        reason = row["closing_reason"]
        within = [int(seconds <= days * DAY) for days in (1, 7, 30)]
        words = (int(reason in (*_UNSOLVED, *_SETTLED)), int(reason in _UNSOLVED))
        self.file("closures", row["counts"], row["office_after"], 1, _thousandths(seconds), *within, *words)
        at = row["counts"] + MONTH
        if self.followed >= at:
            again = any(later["kind"] == "reopened" and later["known_at"] <= at for later in self.story[i + 1 :])
            self.file("held", at, row["office_after"], 1, int(again))

    def promise(self) -> None:
        promises = [row for row in self.story if row["due_at"] is not None]
        replaced = [*(row["known_at"] for row in promises[1:]), NEVER]
        for row, known_at in zip(promises, replaced, strict=False):
            if row["known_at"] <= row["due_at"] <= known_at:
                due = row["due_at"]
                break
        else:
            return
        known = [row for row in self.story if row["known_at"] <= due]
        if due <= self.counts_from or due > self.followed or any(row["kind"] == "withdrawn" for row in known):
            return
        late = known[-1]["open_after"]
        self.file("matured", due, known[-1]["office_after"], 1, int(late))
        if late:
            self.file("overdue", due, known[-1]["office_after"], 1)
        for row in self.story[len(known) :]:
            for office, change in self.turn(row):
                self.file("overdue", row["counts"], office, change)

    def stages(self) -> None:
        answered = [row["known_at"] for row in self.story if row["kind"] in ("closed", "duplicate")]
        closed = min(answered, default=NEVER)
        withdrawn = min((row["known_at"] for row in self.story if row["kind"] == "withdrawn"), default=NEVER)
        for j in range(len(SHARES) - 1):
            start, end = (self.opening["at"] + round(share * self.promised) for share in SHARES[j : j + 2])
            end = max(end, self.counts_from)
            if self.promised and withdrawn > end <= self.followed and (closed > start or j == 0):
                self.file(f"stage_{j}", end, self.opening["office"], 1, int(closed <= end))

    def tier(self) -> None:
        at = self.opening["known_at"] + MONTH
        if self.followed < at:
            return
        known = [row for row in self.story if row["known_at"] <= at]
        up = [row for row in known if row["kind"] == "handed_up"]
        self.file("tiers", at, up[0]["office_before"] if up else known[-1]["office_after"], 1, int(bool(up)))


def _thousandths(seconds: int) -> int:
    return round(math.log(seconds / 3600) * 1000)
