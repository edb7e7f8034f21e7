"""A small scored city for the service: a store, two versions of models, and the index of its scoring; made once."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from data.import_cases import import_file
from data.mapping import find_mapping
from data.store import Store
from data.synthetic import CityPlan, simulate_city, write_city
from models.calibration.platt import Calibration
from models.learning import train
from models.lineage import LINEAGE
from models.registry import Registry
from service.online.saved_index import newest_index, open_index
from service.online.scorer import Scorer
from service.scoring import score_open_cases
from service.settings import Settings
from service.training import FAILURES, champion, history_of, lineage_of
from tests.support.made_once import made_once

# What makes the second version of the models another: its risks of lateness are nearer to even.
_SLOPE = 0.7


@dataclass(frozen=True)
class OnlineCity:
    """A folder with a store, models and an index.

    Attributes
    ----------
    folder : holds city.db, city.models and city.index
    versions : of the models, the one in use first
    as_of : of the scoring, seconds in UTC
    """

    folder: Path
    versions: tuple[str, ...]
    as_of: int

    @property
    def settings(self) -> Settings:
        """Settings of a service on it that looks for news with every request."""
        return Settings(store_url=f"sqlite:///{self.folder / 'city.db'}", recheck_seconds=0, rate_per_minute=0)

    def registry(self) -> Registry:
        """Its models."""
        return Registry(self.settings.models_folder())

    def scorer(self) -> Scorer:
        """What scores posted cases."""
        version, models = champion(self.registry())
        folder = self.settings.index_folder()
        return Scorer(version, models, open_index(folder, str(newest_index(folder))))

    def risks(self) -> pd.DataFrame:
        """The risks that the scoring stored."""
        with Store.open(f"sqlite:///{self.folder / 'city.db'}") as store:
            return store.read_risks()

    def posted(self) -> dict[str, dict[str, Any]]:
        """Every case of the store as it would be posted, by its id, with all its events."""
        with Store.open(f"sqlite:///{self.folder / 'city.db'}") as store:
            events = store.read_events()
        found: dict[str, dict[str, Any]] = {}
        for row in events.to_dict("records"):
            found.setdefault(str(row["case_id"]), {"events": []})["events"].append(posted_event(row))
        return found


def posted_event(row: dict[Any, Any]) -> dict[str, Any]:
    """A row of an event frame as it would be posted."""
    moments = {
        name: datetime.fromtimestamp(int(row[name]), UTC).isoformat()
        for name in ("at", "known_at", "due_at")
        if not pd.isna(row[name])
    }
    names = ("category", "category_group", "area", "channel", "office", "closing_reason")
    return {"kind": row["kind"], **moments, **{name: row[name] for name in names if not pd.isna(row[name])}}


def _make(folder: Path) -> None:
    made = make_city(folder, CityPlan(cases=1_500, villages=6, towns=2), rounds=12)
    (folder / "made.json").write_text(json.dumps({"versions": made.versions, "as_of": made.as_of}))


def online_city(folder: Path) -> OnlineCity:
    """A copy that a test may change."""
    shutil.copytree(made_once("online-city", _make), folder, dirs_exist_ok=True)
    told = json.loads((folder / "made.json").read_text())
    return OnlineCity(folder, tuple(told["versions"]), told["as_of"])


@cache
def shared_city() -> OnlineCity:
    """The one that all tests of this process share; read it, don't write to it."""
    folder = Path(tempfile.mkdtemp(prefix="heed-online-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return online_city(folder)


def make_city(folder: Path, plan: CityPlan, *, rounds: int, early: float = 0.85) -> OnlineCity:
    """Simulate, import, train, score: models and scoring are of a morning before the end, so that later events exist.

    There are two versions of the models, of so many trees each; the first is in use.
    """
    city = simulate_city(7, plan)
    paths = write_city(city, folder)
    url = f"sqlite:///{folder / 'city.db'}"
    settings = Settings(store_url=url)
    with Store.open(url, create=True) as store:
        import_file(store, paths["events"], find_mapping("demo"), extracted_at=city.end - 1)
        store.write_places(city.areas, city.offices, city.categories, city.inspections, city.capacities)
        as_of = int(store.read_events()["at"].quantile(early))
        registry = Registry(settings.models_folder())
        history = history_of(store, as_of=as_of)
        models = train(history, rounds=rounds, num_leaves=8)
        models.card = {**models.card, LINEAGE: lineage_of(history, models).as_dict()}
        first = registry.save(FAILURES, models.to_files())
        late = models.risks["late"]
        late.calibration_ = Calibration(slope=_SLOPE, n=1, band=late.calibration_.band)
        second = registry.save(FAILURES, models.to_files())
        registry.promote(FAILURES, first)
        score_open_cases(store, registry, as_of=as_of, index_folder=settings.index_folder())
    return OnlineCity(folder, (first, second), as_of)
