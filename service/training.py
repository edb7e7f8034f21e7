"""Making models of a store's history and finding those in use."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from data.errors import UsageError
from data.store import Store
from features.landmarks import LANDMARK_KINDS, LandmarkKind
from features.outcomes import LANDMARK_OUTCOMES
from models.failures import FailureModels
from models.history import History
from models.learning import Progress, train
from models.lineage import LINEAGE, Lineage, require_usable
from models.registry import Registry
from service.known import Known

# What a bundle of models is called in the registry.
FAILURES: Final = "failures"


def silent(_text: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


def history_of(
    store: Store,
    *,
    as_of: int | None = None,
    kinds: Collection[LandmarkKind] = LANDMARK_KINDS,
    outcomes: Collection[str] = LANDMARK_OUTCOMES,
    names: Sequence[str] | None = None,
) -> History:
    """The store's history as known strictly before `as_of` and recorded by then (`data.replay`); all when None.

    `kinds` of landmarks, `outcomes` and `names` of features are as `History.build` takes them.

    Raises
    ------
    NotEnoughDataError
        If the store holds no case.
    """
    known = Known.at(store, as_of)
    return History.build(
        known.events,
        as_of=known.as_of,
        time_zone=store.time_zone(),
        known_at_opening=store.known_at_opening(),
        kinds=kinds,
        names=names,
        outcomes=outcomes,
        inspections=known.inspections,
        observed_until=known.observed_until,
        capacity=known.capacity,
        adjacency=known.adjacency,
        calendar=known.calendar,
    )


def train_models(
    store: Store,
    registry: Registry,
    history: History,
    *,
    outcomes: Collection[str] | None = None,
    promote: bool = True,
    sign_with: Path | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> tuple[str, FailureModels]:
    """Train on a history of the store, save, and put the models to use; returns their version and the models.

    `sign_with` is a private key (`models.registry.signature`); `jobs` are processes, one outcome each.
    """
    models = train(history, outcomes=outcomes, jobs=jobs, progress=progress)
    models.card = {
        **models.card,
        "trained_before": datetime.fromtimestamp(history.as_of, UTC).isoformat(),
        "sources": sorted(store.sources()["source"]),
        "near_instant_left_out": history.near_instant,
        LINEAGE: lineage_of(history, models).as_dict(),
    }
    version = registry.save(FAILURES, models.to_files(), sign_with=sign_with)
    if promote:
        registry.promote(FAILURES, version)
    return version, models


def lineage_of(history: History, models: FailureModels) -> Lineage:
    """Where models that were just trained on a history come from."""
    return Lineage.of(
        data=history.fingerprint,
        features=models.features,
        seeds={name: model.random_state for name, model in models.risks.items()},
        parameters={name: model.get_params(deep=False) for name, model in models.risks.items()},
        trained_before=models.trained_before,
        counts=models.card.get("taught"),
        label_trust=models.card.get("label_trust"),
    )


def champion(registry: Registry) -> tuple[str, FailureModels]:
    """The models in use.

    Raises
    ------
    UsageError
        If there are none yet.
    ModelError
        If they are damaged, not signed by a trusted key, or made for other features, facts or libraries.
    """
    version = registry.champion(FAILURES)
    if version is None:
        raise UsageError("There are no models yet. Make them with `heed train`.")
    stored = registry.load(version)
    require_usable(stored)
    models = FailureModels.from_files(stored.files)
    return version, models


def moment_of(store: Store, as_of: int | None) -> int:
    """By default just after the last thing known, so that the newest event counts."""
    return store.last_known_at() + 1 if as_of is None else as_of
