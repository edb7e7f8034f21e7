"""Figures about the service itself, for Prometheus: how it is asked, how quickly it answers, how old its scoring is.

Nothing of a request becomes a label: routes are told by their template, methods and statuses by a short list, and all
addresses that are none of ours together. No figure is about an asker, an office, an area or a case.

One process counts for itself. `heed serve` is one process; where several run behind a proxy, each is scraped at its own
port, and Prometheus adds up. (The multi-process mode of the client library is not used: figures that are read from the
store would be told once by each process, and gauges of dead processes would stay.)
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from sqlalchemy import func, select

from data import tables
from data.errors import HeedError
from data.store import Store

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
JOB_STATES: Final = ("queued", "running", "done", "failed", "cancelled")
# Most answers take a millisecond or a few; scoring a thousand cases takes a second.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters of one app, in a registry of their own."""

    def __init__(self) -> None:
        # When a series began is a series more for each, and nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type for it
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._answered = _Answered()
        self.registry.register(self._answered)
        # Counted on the event loop alone, so without a lock.
        self.in_progress = 0
        self.watch("heed_requests_in_progress", "Requests being answered.", lambda: self.in_progress)
        self._problems = Counter(
            "heed_problems", "Errors told as problems, by their type.", ["type"], registry=self.registry
        )
        self._refused = Counter(
            "heed_refused",
            "Requests refused by a limit: address, head, body, rate or time.",
            ["limit"],
            registry=self.registry,
        )
        for limit in ("address", "head", "body", "rate", "time"):
            self._refused.labels(limit)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; `route` is a template, `status` 0 for an asker who went away before the answer."""
        self._answered.count(route, method if method in METHODS else "other", status // 100, seconds)

    def problem(self, kind: str) -> None:
        """Count a problem; `kind` is the last part of its type."""
        self._problems.labels(kind).inc()

    def refused(self, limit: str) -> None:
        """Count a request that a limit refused."""
        self._refused.labels(limit).inc()

    def watch(self, name: str, told: str, value: Callable[[], float]) -> None:
        """Tell a figure that is asked for with every scrape, such as the length of a queue."""
        Gauge(name, told, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        return generate_latest(self.registry)


class _Answered(Collector):
    """Requests and how long they took, counted on the event loop alone, so without the locks of the library's own
    counters: they would take as long as all else that is noticed of a request. A scrape reads while the loop counts,
    and may see a request in one figure that it does not see in the other yet.
    """

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        # Of each route: how many took up to each of the bounds, or longer than all, and seconds in all.
        self._seconds: dict[str, tuple[list[int], list[float]]] = {}

    def count(self, route: str, method: str, status_class: int, seconds: float) -> None:
        """Count one; `status_class` is the first digit of the status."""
        key = (route, method, status_class)
        self._requests[key] = self._requests.get(key, 0) + 1
        known = self._seconds.get(route)
        if known is None:
            known = self._seconds[route] = ([0] * (len(_SECONDS) + 1), [0.0])
        within, total = known
        within[bisect_left(_SECONDS, seconds)] += 1
        total[0] += seconds

    def describe(self) -> Iterable[Metric]:
        """The two figures, without what was counted."""
        return self._families()

    def collect(self) -> Iterable[Metric]:
        """What was counted until now."""
        requests, histogram = self._families()
        for (route, method, status), number in list(self._requests.items()):
            requests.add_metric([route, method, f"{status}xx" if status else "none"], number)
        for route, (within, total) in list(self._seconds.items()):
            upto = zip((*map(floatToGoString, _SECONDS), "+Inf"), accumulate(within), strict=True)
            histogram.add_metric([route], list(upto), total[0])
        return requests, histogram

    @staticmethod
    def _families() -> tuple[CounterMetricFamily, HistogramMetricFamily]:
        return (
            CounterMetricFamily("heed_requests", "Requests answered.", labels=["route", "method", "status"]),
            HistogramMetricFamily(
                "heed_request_seconds",
                "Time from the first byte of a request in the app to the last of its answer.",
                labels=["route"],
            ),
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown just now: seconds in UTC of the scoring, and the versions of the models behind it."""

    as_of: int
    model_versions: frozenset[str]


class StoreFigures(Collector):
    """Figures of the store and of what is shown of it, read with each scrape.

    Parameters
    ----------
    store_url : opened anew with each scrape, which never waits for what the routes do with theirs
    shown : what is shown, or None before the first scoring was read
    """

    def __init__(self, store_url: str, shown: Callable[[], Shown | None]) -> None:
        self._store_url = store_url
        self._shown = shown

    def describe(self) -> Iterable[Metric]:
        """Nothing is promised before the store is asked."""
        return []

    def collect(self) -> Iterable[Metric]:
        """What can be read; `heed_store_readable` says whether it could."""
        try:
            with Store.open(self._store_url) as store:
                jobs, audited = _counted(store)
        except HeedError:
            yield GaugeMetricFamily("heed_store_readable", _READABLE, value=0)
        else:
            yield GaugeMetricFamily("heed_store_readable", _READABLE, value=1)
            family = GaugeMetricFamily("heed_jobs", "Jobs in the store, by state.", labels=["state"])
            for state in JOB_STATES:
                family.add_metric([state], jobs.get(state, 0))
            yield family
            yield CounterMetricFamily("heed_audit_entries", "Entries ever written to the audit trail.", value=audited)
        shown = self._shown()
        if shown is not None:
            yield GaugeMetricFamily(
                "heed_scoring_age_seconds",
                "Since the moment of the scoring that is shown.",
                value=time.time() - shown.as_of,
            )
            info = InfoMetricFamily("heed_model", "Version of the model behind the scoring.", labels=["version"])
            for version in sorted(shown.model_versions):
                info.add_metric([version], {})
            yield info


_READABLE: Final = "1 where the store could be read for this scrape."


def _counted(store: Store) -> tuple[dict[str, int], int]:
    """Jobs by state, and the number of the newest audit entry: retention cuts entries away, never numbers."""
    job, entry = tables.job.c, tables.audit_entry.c
    with store.reading() as connection:
        jobs = {
            str(state): int(count)
            for state, count in connection.execute(select(job.state, func.count()).group_by(job.state))
        }
        return jobs, int(connection.execute(select(func.max(entry.seq))).scalar() or 0)
