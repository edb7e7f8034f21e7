"""Places to work in: as many as were said, none lost, and whoever finds none is told so at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from service.online.pool import WorkPool
from service.problems import BusyError


class Gate:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = threading.Semaphore(0)
        self.stopped: list[bool] = []

    def work(self, stopped) -> str:
        self.begun.release()
        assert self.open.wait(10)
        self.stopped.append(stopped())
        return "done"


def asked(test):
    """Run a coroutine with a pool of one thread and one waiting place, and a gate."""

    async def run() -> None:
        pool, gate = WorkPool(1, 1), Gate()
        try:
            await test(pool, gate)
        finally:
            gate.open.set()
            pool.close()
        assert pool.taken == 0

    asyncio.run(run())


async def begun(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.begun.acquire, timeout=10)


def test_what_is_done_is_given_back():
    """And what goes wrong in the work goes wrong for who asked."""

    async def test(pool: WorkPool, _gate: Gate) -> None:
        assert await pool.run(lambda _stopped: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda _stopped: 1 // 0)
        assert pool.taken == 0

    asked(test)


def test_the_third_of_two_places_is_told_at_once():
    """With when to come back; and when one is done there is a place again."""

    async def test(pool: WorkPool, gate: Gate) -> None:
        first = asyncio.ensure_future(pool.run(gate.work))
        await begun(gate)
        second = asyncio.ensure_future(pool.run(gate.work))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="All places for scoring are taken") as refused:
            await pool.run(gate.work)
        assert refused.value.retry_after >= 1
        assert pool.taken == 2
        gate.open.set()
        assert [await first, await second] == ["done", "done"]
        assert await pool.run(gate.work) == "done"

    asked(test)


def test_who_leaves_while_waiting_gives_his_place_back():
    """His work is never begun."""

    async def test(pool: WorkPool, gate: Gate) -> None:
        first = asyncio.ensure_future(pool.run(gate.work))
        await begun(gate)
        second = asyncio.ensure_future(pool.run(gate.work))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert pool.taken == 1
        third = asyncio.ensure_future(pool.run(gate.work))
        gate.open.set()
        assert await first == await third == "done"
        assert gate.stopped == [False, False]

    asked(test)


def test_who_leaves_while_worked_for_stops_the_work():
    """It is told so when it asks, and keeps its place until then: the thread is taken."""

    async def test(pool: WorkPool, gate: Gate) -> None:
        first = asyncio.ensure_future(pool.run(gate.work))
        await begun(gate)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert pool.taken == 1
        gate.open.set()
        assert await pool.run(lambda _stopped: "next") == "next"
        assert gate.stopped == [True]

    asked(test)


def test_without_waiting_places_only_workers_are_taken():
    """The queue may be nothing."""

    async def run() -> None:
        pool, gate = WorkPool(2, 0), Gate()
        both = [asyncio.ensure_future(pool.run(gate.work)) for _ in range(2)]
        for _ in both:
            await begun(gate)
        with pytest.raises(BusyError):
            await pool.run(gate.work)
        gate.open.set()
        assert await asyncio.gather(*both) == ["done", "done"]
        pool.close()

    asyncio.run(run())
