"""The gates of a version: asked before it is put to use, and shown before anybody asks."""

from __future__ import annotations

from typing import Final

from data.errors import HeedError, ModelError
from data.store import Store
from models.failures import FailureModels
from models.gates import HARD, WORDS, Facts, Gate, failed, gates
from models.history import History
from models.judging import Contender, judged
from models.learning import Progress
from models.lineage import Lineage, require_usable
from models.registry import Registry, StoredModel
from models.registry.aliases import CHALLENGER
from models.registry.names import model_name_of
from service.identity import Identity, Role
from service.known import Known
from service.language import marked
from service.problems import ConflictError, ForbiddenError
from service.training import history_of, silent

# What must hold, for people; English as in `models.gates`.
GATES: Final = {
    "boundary": marked("Nothing that it learned from or tells is refused by the boundary"),
    "fit": marked("Its features, facts and libraries are those of here"),
    "signature": marked("It is signed by a trusted key, where keys are trusted"),
    "outcomes": marked("It tells every outcome that the one in use tells"),
    "judged": marked("It was judged on later cases beside the one in use"),
    "cases": marked("Enough mature cases judged it: 200 of each outcome, 20 of them failed"),
    "brier": marked(
        "Its Brier score is not surely worse than that of the one in use by over a hundredth of it, on the same cases"
    ),
    "calibration": marked("Its risks mean what they say: a calibration error of 0.05 at most"),
    "slices": marked("No office, area, type of problem or channel is told much worse"),
}
_CLOSED: Final = marked(
    "Some gates of this version are not passed, or it was not judged beside the one in use. Its record names them. "
    "Judge it with `heed models judge`; an administrator may give a reason as `override`."
)
_ADMIN: Final = marked("Only an administrator may put a version to use whose gates are not passed.")


def gates_of(registry: Registry, version: str, champion: str | None = None) -> list[Gate]:
    """The gates of a version, if it were to take the place of `champion`, or of what is in use now.

    A champion that cannot be used here is none.
    """
    name = str(model_name_of(version))
    beside = registry.champion(name) if champion is None else champion
    try:
        stored = registry.load(version)
    except ModelError:
        return gates(Facts(0, fits=False, signed=False if registry.asks_for_signatures else None, outcomes=frozenset()))
    in_use = None if beside in (None, version) else _usable(registry, str(beside))
    try:
        found = registry.judged(version)
    except ModelError:
        found = None
    return gates(
        Facts(
            violations=len(stored.boundary_violations()),
            fits=_fits(stored),
            signed=stored.signed_by is not None if registry.asks_for_signatures else None,
            outcomes=_outcomes(stored),
            champion=None if in_use is None else in_use.version,
            champion_outcomes=frozenset() if in_use is None else _outcomes(in_use),
            judged=found,
        )
    )


def require_gates(
    registry: Registry, version: str, champion: str | None, override: str | None, identity: Identity
) -> list[str]:
    """Refuse a version whose gates are not passed; returns the names of those that `override` goes over.

    Raises
    ------
    ConflictError
        If a gate is not passed and no reason is given, or none may be.
    ForbiddenError
        If a reason is given by one who is no administrator.
    """
    if champion in (None, version):
        return []
    closed = [gate for gate in failed(gates_of(registry, version, champion)) if gate.name not in HARD]
    if not closed:
        return []
    if override is None:
        raise ConflictError(_CLOSED)
    if identity.role is not Role.ADMIN:
        raise ForbiddenError(_ADMIN)
    return [gate.name for gate in closed]


def closed_words(found: list[Gate]) -> str:
    """The gates that are not passed, in English, for the command."""
    return "; ".join(f"{gate.name} ({WORDS[gate.name][0].lower()}{WORDS[gate.name][1:]})" for gate in found)


def judge_version(
    store: Store,
    registry: Registry,
    version: str,
    *,
    history: History | None = None,
    progress: Progress = silent,
) -> list[Gate]:
    """Judge a version beside the one in use, keep what was found with it, and return its gates.

    Parameters
    ----------
    history : that it was trained on; worked out from the store when None

    Raises
    ------
    UsageError, ModelError
        If there is no such version, or it cannot be used here.
    """
    challenger = _contender(registry, version)
    in_use = comparable(registry, version)
    champion = None if in_use is None else _contender(registry, in_use)
    moment = challenger.lineage.trained_before
    known = history_of(store, as_of=moment) if history is None else history
    capacity = Known.at(store, moment).capacity
    registry.keep_judged(version, judged(known, challenger, champion, capacity=capacity, progress=progress))
    return gates_of(registry, version)


def put_to_use(store: Store, registry: Registry, version: str, history: History, progress: Progress) -> list[Gate]:
    """Put a version that was just trained to use if its gates are passed, else next in line; returns those closed."""
    name = str(model_name_of(version))
    in_use = comparable(registry, version)
    if in_use is None:
        registry.promote(name, version)
        return []
    closed = failed(judge_version(store, registry, version, history=history, progress=progress))
    if closed:
        registry.promote(name, version, alias=CHALLENGER)
    else:
        registry.promote(name, version, expected=in_use)
    return closed


def comparable(registry: Registry, version: str) -> str | None:
    """The version in use that this one would replace; None where none is, it is this one, or it cannot be used here."""
    in_use = registry.champion(str(model_name_of(version)))
    return None if in_use in (None, version) or _usable(registry, str(in_use)) is None else in_use


def _contender(registry: Registry, version: str) -> Contender:
    stored = registry.load(version)
    lineage = require_usable(stored)
    try:
        models: FailureModels | None = FailureModels.from_files(stored.files)
    except ModelError:
        models = None
    return Contender(version, lineage, models)


def _usable(registry: Registry, version: str) -> StoredModel | None:
    try:
        stored = registry.load(version)
        require_usable(stored)
    except HeedError:
        return None
    return stored


def _fits(stored: StoredModel) -> bool:
    try:
        Lineage.from_card(stored.card, stored.version)
        require_usable(stored)
    except ModelError:
        return False
    return True


def _outcomes(stored: StoredModel) -> frozenset[str]:
    told = {str(one.get("outcome", part)) for part, one in stored.descriptions().items()}
    return frozenset(name for name in told if name != "remaining_time")
