"""The audit of disclosure: everything that is published of a city, attacked with linear programmes.

    python -m tests.benchmarks.disclosure_audit N SEED [--part PART] [--json FILE] [--skip K]

Parts:

- `audit`: N random cities (`tests.support.joint_attacker`), each published and attacked. Reports how many figures were
  attacked, how many could be bounded more tightly than the minimum bounds them, and how many were given away. Of
  every 50th city some small figures are asked for exactly, and by a reader who uses that counts are whole numbers.
- `weakened`: engines with one part left out (`tests.support.weakened_disclosure`); after how many cities, of at most
  N, each is caught.
- `days`: N cities that are published several times, a week or a day apart, to a reader who kept every page.
- `utility`: how much is withheld, and how much would be with the fewest cells possible (a mixed integer programme),
  over N random tables.

Seeds are fixed: the same N and SEED attack the same cities.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.support import disclosure_days, disclosure_utility
from tests.support.joint_attacker import (
    MINIMUM,
    Finding,
    JointCity,
    Knowledge,
    Programme,
    attack,
    random_joint_city,
    released,
    small_figures,
)
from tests.support.weakened_disclosure import ENGINES

_CHUNK: Final = 250
_EVERY: Final = 50
_ASKED: Final = 8

Say = Callable[[str], None]
Write = Callable[[dict[str, Any]], None]


def audit(number: int, seed: int, *, skip: int = 0, say: Say = print, write: Write | None = None) -> dict[str, Any]:
    """Attack so many random cities."""
    counted: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    found: list[dict[str, Any]] = []
    narrowest = np.inf
    start = time.process_time()

    def result() -> dict[str, Any]:
        return {
            "seed": seed,
            "first": skip,
            **counted,
            "bounded": len(found),
            "given_away": sum(one["exact"] for one in found),
            "narrowest_asked": None if np.isinf(narrowest) else narrowest,
            "minimum": MINIMUM,
            "attacked_by_kind": dict(kinds),
            "cpu_seconds": round(time.process_time() - start, 1),
            "found": found[:100],
        }

    for place in range(skip, skip + number):
        city = random_joint_city(np.random.default_rng([seed, place]))
        seen = released(city)
        verdict = attack(city, seen)
        counted.update(
            tables=1,
            small=verdict.small,
            stand_ins=verdict.stand_ins,
            shown=verdict.shown,
            signals_shown=sum(one.observed.value is not None for one in seen.signals),
            weeks_shown=sum(week.observed.value is not None for one in seen.signals for week in one.weeks),
        )
        found += [_plain(place, one) for one in verdict.found]
        if place % _EVERY == 0 and verdict.shown:
            width, number_asked, whole = _closely(city, np.random.default_rng([seed, place, 1]))
            narrowest = min(narrowest, width)
            counted.update(asked_exactly=number_asked, bounded_with_whole_numbers=len(whole))
            found += [_plain(place, one) | {"whole_numbers": True} for one in whole]
        kinds.update(what[2] if what[0] in ("own", "area") else "reports" for what in small_figures(Knowledge(city)))
        if (place + 1 - skip) % _CHUNK == 0:
            done = result()
            say(
                f"{counted['tables']:,} of {number:,} cities, {counted['small']:,} small figures and "
                f"{counted['stand_ins']:,} stand-ins attacked, {len(found)} bounded; {done['cpu_seconds']:.0f} s"
            )
            if write:
                write(done)
    return result()


def _closely(city: JointCity, rng: np.random.Generator) -> tuple[float, int, list[Finding]]:
    """Some small figures of a city exactly: the narrowest interval, how many, and what whole numbers give away."""
    knowledge = Knowledge(city)
    knowledge.learn(released(city))
    small = small_figures(knowledge)
    if not small:
        return np.inf, 0, []
    names = [*small]
    chosen = {names[n]: small[names[n]] for n in rng.choice(len(names), size=min(_ASKED, len(names)), replace=False)}
    programme = Programme(knowledge)
    width = min(high - low for low, high in programme.intervals(chosen).values())
    return width, len(chosen), programme.whole(chosen)


def _plain(place: int, one: Finding) -> dict[str, Any]:
    return {
        "city": place,
        "what": list(one.what),
        "truth": one.truth,
        "low": round(one.low, 4),
        "high": round(one.high, 4),
        "exact": one.exact,
    }


def weakened(number: int, seed: int, *, say: Say = print) -> dict[str, Any]:
    """After how many cities each weakened engine is caught."""
    caught: dict[str, Any] = {}
    for name, engine in ENGINES.items():
        caught[name] = None
        for place in range(number):
            city = random_joint_city(np.random.default_rng([seed, place]))
            found = attack(city, engine(city)).found
            if found:
                worst = min(found, key=lambda one: one.high - one.low)
                caught[name] = {"cities": place + 1, "bounded": len(found), **_plain(place, worst)}
                break
        one = caught[name]
        told = "not caught" if one is None else f"caught in city {one['cities']}: {one['low']:g} to {one['high']:g}"
        say(f"{name:28} {told}")
    return caught


def main() -> None:
    """Run one part and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--part", choices=("audit", "weakened", "days", "utility"), default="audit")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--skip", type=int, default=0)
    given = parser.parse_args()

    def write(done: dict[str, Any]) -> None:
        if given.json:
            given.json.write_text(json.dumps(done, indent=1) + "\n", "utf-8")

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    if given.part == "audit":
        done = audit(given.number, given.seed, skip=given.skip, say=say, write=write)
        told = {name: value for name, value in done.items() if name != "found"}
        say("\n".join(f"{name:28} {value}" for name, value in told.items()))
    elif given.part == "weakened":
        done = weakened(given.number, given.seed, say=say)
    elif given.part == "days":
        done = disclosure_days.measured(given.number, given.seed, say=say)
    else:
        done = disclosure_utility.measured(given.number, given.seed, say=say)
    write(done)


if __name__ == "__main__":
    main()
