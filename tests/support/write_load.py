"""A load of writes that must each have exactly one effect, whatever happens to the service meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

import httpx

_AGAIN = 0.1
# How long a write may stay unanswered after the faults are over.
_PATIENCE = 300.0
# What a client has to expect from a service in trouble, and asks again after.
_LATER = frozenset({409, 429, 503})


class WriteLoad:
    """Threads that append events with keys, each repeated until it is acknowledged, and read the list of cases between.

    Use it in a `with` block; when the block ends every write has been acknowledged, or is in `unanswered`.

    Attributes
    ----------
    acknowledged : references of cases whose opening was acknowledged
    unexpected : statuses that no client should see, counted
    unanswered : writes that were never acknowledged
    troubled : answers and broken connections after which a write was repeated
    """

    def __init__(self, url: str, key: str, *, threads: int = 4, prefix: str = "F", source: str = "simulated") -> None:
        self.url, self.prefix, self.source = url, prefix, source
        self.acknowledged: list[str] = []
        self.unexpected: Counter[int] = Counter()
        self.unanswered: list[str] = []
        self.troubled = 0
        self._key = key
        self._stop = threading.Event()
        self._until = float("inf")
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._until = time.monotonic() + _PATIENCE
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, patience: float = _PATIENCE) -> None:
        """Wait until so many more writes have been acknowledged.

        Raises
        ------
        AssertionError
            If they are not within `patience` seconds.
        """
        wanted, until = len(self.acknowledged) + more, time.monotonic() + patience
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < until, f"only {len(self.acknowledged)} of {wanted} writes were acknowledged"
            time.sleep(_AGAIN)

    def _work(self, number: int) -> None:
        headers = {"authorization": f"Bearer {self._key}"}
        with httpx.Client(base_url=self.url, timeout=60, headers=headers) as client:
            count = 0
            while not self._stop.is_set():
                count += 1
                self._write(client, f"{self.prefix}-{number}-{count:05d}")
                self._read(client)

    def _write(self, client: httpx.Client, reference: str) -> None:
        event = {"reference": reference, "kind": "opened", "at": "2026-03-02T09:30:00+08:00", "office": "O-1"}
        body = {"source": self.source, "events": [event]}
        while time.monotonic() < self._until:
            try:
                answer = client.post("/v1/events", json=body, headers={"idempotency-key": reference})
            except httpx.TransportError:
                self.troubled += 1
                time.sleep(_AGAIN)
                continue
            if answer.status_code in (200, 201):
                self.acknowledged.append(reference)
                return
            if answer.status_code not in _LATER:
                self.unexpected[answer.status_code] += 1
            self.troubled += 1
            time.sleep(_AGAIN)
        self.unanswered.append(reference)

    def _read(self, client: httpx.Client) -> None:
        try:
            answer = client.get("/v1/cases?limit=3")
        except httpx.TransportError:
            return
        if answer.status_code not in (200, *_LATER):
            self.unexpected[answer.status_code] += 1
