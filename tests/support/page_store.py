"""A store that fills every part of the pages: several outcomes, scorings of many mornings, and two models; and the
service on it for a browser.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import uvicorn

from data.store import Store
from models.reasons import OVERDUE_REASONS
from models.registry import Registry
from service.app import create_app
from service.settings import Settings
from tests.support.judgements import drift_frame, judge_all
from tests.support.made_once import made_once
from tests.support.service_store import AS_OF, DAY, SMALL_AREA, fill, simulated_risks
from tests.support.wide_city import wide_city
from tests.unit.test_cli_models import bundle

# Beside `late`: how much likelier or less likely each is.
_OTHERS = {"unresolved_28d": 0.45, "reopened_28d": 0.3, "handed_up_28d": 1.1}


def full_store(folder: Path, *, cases: int = 60, wide: bool = False) -> Path:
    """Put `city.db` with cases scored on eight mornings, and `city.models` with a champion and another, into a folder;
    `wide`: of a city as wide as a real one.

    Returns
    -------
    path of the store
    """
    name = f"full-store-{cases}{'-wide' if wide else ''}"
    shutil.copytree(made_once(name, lambda empty: _fill(empty, cases, wide=wide)), folder, dirs_exist_ok=True)
    return folder / "city.db"


def _fill(folder: Path, cases: int, *, wide: bool) -> None:
    path = folder / "city.db"
    with wide_city() if wide else nullcontext(), Store.open(str(path), create=True) as store:
        fill(store, cases=cases)
        for days in (7, 6, 5, 4, 3, 2, 1, 0):
            as_of = AS_OF - days * DAY
            ids = sorted(store.read_events(as_of=as_of)["case_id"].unique())
            risks = _with_others(simulated_risks(np.random.default_rng(100 + days), ids, as_of))
            store.write_risks(_known_late(risks, store.read_events(as_of=as_of)))
    registry = Registry(folder / "city.models")
    versions = [registry.save("failures", bundle(number)) for number in range(2)]
    registry.promote("failures", versions[0])
    judge_all(registry, versions[1:], beside=versions[0])
    with Store.open(str(path)) as store:
        store.write_drift(drift_frame(versions[0], AS_OF), as_of=AS_OF)


def _with_others(risks: pd.DataFrame) -> pd.DataFrame:
    late = risks[risks["outcome"] == "late"]
    parts = [risks]
    for outcome, factor in _OTHERS.items():
        probability = (factor * late["probability"]).clip(upper=0.97)
        parts.append(
            late.assign(
                outcome=outcome,
                probability=probability,
                lower=0.85 * probability,
                upper=(1.15 * probability).clip(upper=1.0),
                band=np.select([probability >= 0.5, probability >= 0.2], ["high", "medium"], "low"),
            )
        )
    return pd.concat(parts, ignore_index=True)


def _known_late(risks: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Some cases are past their deadline: late is certain then, and no longer a risk."""
    due = events.groupby("case_id")["due_at"].last()
    passed = risks["case_id"].map(due).lt(risks["as_of"]).fillna(value=False).astype(bool)
    late = passed & risks["outcome"].isin(["late", "any_failure"])
    figures = risks[["probability", "lower", "upper"]].mask(late, 1.0)
    reasons = risks["reasons"].mask(late, OVERDUE_REASONS)
    band = risks["band"].mask(late, "high")
    return risks.assign(band=band, reasons=reasons, **{name: figures[name] for name in figures})


@contextmanager
def served(path: Path, **settings: object) -> Iterator[str]:
    """The service on a port of its own; the address that it answers at."""
    app = create_app(Settings(store_url=str(path), port=0, recheck_seconds=0, rate_per_minute=0, **settings))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    app.state.stopping.set()
    for close in reversed(app.state.closers):
        close()


def addresses(origin: str) -> dict[str, str]:
    """Every kind of page on a full store, with the path it is found at."""
    with httpx.Client(base_url=origin, timeout=120) as client:
        return addresses_of(lambda path: client.get(path).raise_for_status().json())


def addresses_of(json_at: Callable[[str], Any]) -> dict[str, str]:
    """The same, from whatever gives the JSON at an address."""
    ahead, passed = (json_at(f"/v1/cases?deadline={side}&limit=1")["cases"][0]["id"] for side in ("ahead", "passed"))
    signals = json_at("/v1/signals")["signals"]
    versions = {bool(item["aliases"]): item["version"] for item in json_at("/v1/models")["models"]}
    small = [signal["area"]["code"] == SMALL_AREA for signal in signals]
    return {
        "cases": "/cases",
        "passed": "/cases?deadline=passed",
        "case": f"/cases/{ahead}",
        "overdue": f"/cases/{passed}",
        "what if": f"/cases/{ahead}/what-if",
        "boundary": "/boundary",
        "board": "/board",
        "areas": "/areas",
        "area": "/areas/A-02",
        "withheld area": f"/areas/{SMALL_AREA}",
        "town": "/areas/T-1",
        "signals": "/signals",
        "signal": f"/signals/{signals[small.index(False)]['id']}",
        "withheld signal": f"/signals/{signals[small.index(True)]['id']}",
        "models": "/models",
        "champion": f"/models/{versions[True]}",
        "model": f"/models/{versions[False]}",
        "drift": "/models/drift",
        "overrides": "/models/overrides",
        "promotion": f"/models/{versions[False]}/promote?alias=champion&reason=newer-data",
        "sign-in": "/sign-in",
        "error": "/cases/none",
    }
