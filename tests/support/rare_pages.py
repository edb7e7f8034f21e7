"""Pages that readers seldom meet: what went wrong, what is empty, and the reports that stand by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from data.quality.check import check_file
from data.store import ImportRun, Store
from models.validation.run import backtest_folds
from service.auth.keys import add_key
from service.backtest_report.page import page_of as backtest_page
from service.check_report.page import page_of as check_page
from service.check_report.told import Report
from service.check_verdict import verdicts
from service.identity import Role
from tests.support.check_exports import healthy
from tests.support.exports import TOWN
from tests.support.service_client import Client, client_of
from tests.support.service_store import (
    AS_OF,
    CATEGORIES,
    OFFICES,
    simulated_areas,
    simulated_events,
    simulated_risks,
)
from tests.unit.test_backtest_report import _rows

# Each with the status that it is sent with.
RARE: Final = {
    "refused": 403,
    "too many": 429,
    "not ready": 503,
    "wrong key": 401,
    "no case fits": 200,
    "no areas": 200,
    "no area": 200,
    "no signals": 200,
    "no board": 200,
    "no models": 200,
    "no drift": 200,
}
REPORTS: Final = ("check report", "backtest report")
_PAGE: Final = {"accept": "text/html"}
Rare = Callable[[str, str], str]


@contextmanager
def rare_pages(folder: Path) -> Iterator[Rare]:
    """Each of `RARE` as HTML, by its name and a language.

    Parameters
    ----------
    folder : with the `city.db` of `full_store`; an empty store and one with risks alone are made in it
    """
    city, empty, scored = folder / "city.db", folder / "nothing.db", folder / "scored.db"
    with Store.open(str(city)) as store:
        key = add_key(store, Role.DASHBOARD, offices=[], purpose="wall", days=1)[0]
    with Store.open(str(empty), create=True):
        pass
    _scored_alone(scored)
    with ExitStack() as stack:

        def of(path: Path, **settings: object) -> Client:
            client = client_of(path, **settings)
            stack.callback(client.close)
            return client

        full, nothing, alone = of(city), of(empty), of(scored)
        locked, limited = of(city, auth="required"), of(city, rate_per_minute=1)
        asked: dict[str, tuple[Client, str, dict[str, str]]] = {
            "refused": (locked, "/cases", {"authorization": f"Bearer {key}"}),
            "too many": (limited, "/boundary", {}),
            "not ready": (nothing, "/cases", {}),
            "no case fits": (full, "/cases?category=lamp&band=low&mark=overridden", {}),
            "no areas": (alone, "/areas", {}),
            "no area": (alone, "/areas/A-02", {}),
            "no signals": (alone, "/signals", {}),
            "no board": (alone, "/board", {}),
            "no models": (nothing, "/models", {}),
            "no drift": (nothing, "/models/drift", {}),
        }

        # Asked for once: whoever tries a wrong key in every theme and width is told to wait after the tenth.
        @cache
        def html(name: str, language: str) -> str:
            if name == "wrong key":
                answer = locked.request(
                    "POST",
                    f"/sign-in?lang={language}",
                    content=urlencode({"key": "heed_not-a-key"}),
                    content_type="application/x-www-form-urlencoded",
                    sec_fetch_site="same-origin",
                    **_PAGE,
                )
            else:
                client, path, headers = asked[name]
                if client is limited:
                    client.get(path, **_PAGE)  # the one of this minute
                answer = client.get(f"{path}{'&' if '?' in path else '?'}lang={language}", **_PAGE, **headers)
            assert answer.status_code == RARE[name], (name, answer.status_code, answer.text[:500])
            return answer.text

        yield html


def report(name: str, language: str, folder: Path) -> str:
    """One of `REPORTS` as HTML; `folder` takes the export that is checked."""
    if name == "backtest report":
        return backtest_page(_found(), language, near_instant=41)
    return check_page(_check(folder), language)


@cache
def _check(folder: Path) -> Report:
    frame = healthy()
    frame.loc[frame.index % 9 == 0, "village"] = None
    frame.loc[frame.index[:3], "closed"] = "2019-01-01 10:00:00"
    frame.assign(zip="02121").to_csv(folder / "export.csv", index=False)
    (folder / "town.toml").write_text(TOWN, "utf-8")
    checked = (check_file(folder / "export.csv", folder / "town.toml"),)
    return Report.of(checked, verdicts(checked))


@cache
def _found() -> dict[str, Any]:
    found = backtest_folds(LogisticRegression, _rows(), n_folds=3, replications=60).as_dict()
    told: dict[str, Any] = json.loads(json.dumps(found))
    return told


def _scored_alone(path: Path) -> None:
    """A store whose cases are scored, and nothing else: no figure of an area, no signal, no board."""
    rng = np.random.default_rng(11)
    run = ImportRun(
        source="simulated",
        time_zone="Asia/Shanghai",
        known_at_opening=("category", "area", "channel", "office"),
        file_name="simulated.csv",
        file_sha256="1" * 64,
        extracted_at=AS_OF - 1,
    )
    with Store.open(str(path), create=True) as store:
        store.write_places(
            areas=simulated_areas(),
            offices=pd.DataFrame(OFFICES, columns=["office", "tier", "name_zh", "name_en"]),
            categories=pd.DataFrame(CATEGORIES, columns=["category", "name_zh", "name_en"]),
        )
        events = simulated_events(rng, 20, AS_OF)
        store.add_events(run, events)
        store.write_risks(simulated_risks(rng, sorted(events["case_id"].unique()), AS_OF))
