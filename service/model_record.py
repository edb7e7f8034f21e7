"""The registry as the service tells it: which versions there are, what each is, and beside the champion.

What is wrong with a version is told as a word: the registry's own messages are for whoever sits at the machine.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from data.errors import BoundaryError, HeedError, ModelError, UsageError
from models.lineage import LINEAGE, require_usable
from models.registry import CHAMPION, Registry, StoredModel
from models.registry.aliases import Aliases, Entry
from models.registry.compare import compare
from models.registry.names import is_version, model_name_of
from models.wording import OUTCOMES
from service.etags import Answer
from service.gate_payloads import gates_shown
from service.gating import gates_of
from service.language import marked
from service.model_payloads import (
    ChangedColumns,
    HeldAlias,
    HistoryItem,
    ModelComparison,
    ModelDetail,
    ModelItem,
    ModelList,
    ModelState,
)
from service.problems import NotFoundError

UNREADABLE: Final = marked(
    "The models cannot be read: a file of the registry is damaged, or may not be read. `heed models verify` says which."
)
_UNKNOWN: Final = marked("There is no version of a model with this name. The list of models names them all.")
_UNUSABLE: Final = marked(
    "This version is damaged, or not signed by a key that is trusted here. `heed models verify` says what is wrong."
)
_HELD: Final[tuple[HeldAlias, ...]] = ("champion", "challenger", "shadow", "previous")
# More versions than a registry has; what is looked at again and again is what it has.
_MOST_KEPT: Final = 500
_MOST_HISTORY: Final = 50
_REASON: Final = re.compile(r"(?P<code>[a-z0-9][a-z0-9-]{0,39})(?: \(audit [0-9]+\))?$")


@dataclass(frozen=True, slots=True)
class _Summary:
    """What never changes of a version as long as its files do not."""

    state: ModelState
    signed_by: str | None = None
    outcomes: tuple[str, ...] = ()
    trained_before: datetime | None = None
    features: int | None = None
    figures: Mapping[str, float] | None = None


class ModelRecord:
    """The versions of one registry. Safe to use from several threads.

    A version is read and hashed again when one of its files has another size or time.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._lock = threading.Lock()
        self._kept: dict[tuple[Any, ...], _Summary] = {}

    def listed(self) -> tuple[Answer, Aliases]:
        """All versions, sorted, as they are sent; with the tag that a promotion is decided on, and with the aliases
        that the answer tells.

        Raises
        ------
        ModelError
            If the registry itself cannot be read.
        """
        try:
            aliases, versions = self.registry.aliases(), self.registry.versions()
            happened = self.registry.history()
            saved = {entry.version: entry.when for entry in happened if entry.action == "saved"}
        except (HeedError, OSError):
            raise ModelError(UNREADABLE) from None
        # One that was taken away meanwhile is told no more.
        items = (self._item(version, aliases, saved.get(version)) for version in versions)
        told = ModelList(
            models=[item for item in items if item is not None],
            history=[_happened(entry) for entry in happened[-_MOST_HISTORY:]],
        )
        return Answer.of(told.model_dump_json().encode()), aliases

    def detail(self, version: str) -> ModelDetail:
        """One version.

        Raises
        ------
        NotFoundError, ModelError
            If there is none of that name, or it cannot be loaded.
        """
        stored = self.load(version)
        aliases = self.registry.aliases()
        item = self._item(version, aliases, None)
        if item is None:
            raise NotFoundError(_UNKNOWN)
        card = dict(stored.card)
        lineage = card.pop(LINEAGE, {})
        return ModelDetail(
            **dict(item),
            card=card,
            lineage={name: value for name, value in lineage.items() if name != "features"},
            columns=list(stored.columns()),
            comparison=self._beside_champion(stored, aliases),
            gates=gates_shown(gates_of(self.registry, version)),
            judged=self._judged(version),
        )

    def _judged(self, version: str) -> dict[str, Any] | None:
        try:
            return self.registry.judged(version)
        except (HeedError, OSError):
            return None

    def load(self, version: str) -> StoredModel:
        """A version with its hashes checked. Raises as `detail` does."""
        if not is_version(version):
            raise NotFoundError(_UNKNOWN)
        try:
            return self.registry.load(version)
        except UsageError:
            raise NotFoundError(_UNKNOWN) from None
        except (ModelError, OSError):
            raise ModelError(_UNUSABLE) from None

    def _item(self, version: str, aliases: Aliases, saved: int | None) -> ModelItem | None:
        try:
            summary = self._summary(version)
            when = self.registry.saved_at(version) if saved is None else saved
        except (UsageError, OSError):
            return None
        held = aliases.get(str(model_name_of(version)), {})
        return ModelItem(
            version=version,
            model=str(model_name_of(version)),
            aliases=[alias for alias in _HELD if held.get(alias) == version],
            saved_at=datetime.fromtimestamp(when, UTC),
            state=summary.state,
            signed_by=summary.signed_by,
            outcomes=list(summary.outcomes),
            trained_before=summary.trained_before,
            features=summary.features,
            figures=dict(summary.figures or {}),
        )

    def _summary(self, version: str) -> _Summary:
        folder = self.registry.folder / version
        stats = ((path.relative_to(folder).as_posix(), path.stat()) for path in sorted(folder.rglob("*")))
        key = (version, tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))
        with self._lock:
            known = self._kept.get(key)
        if known is None:
            known = _summed_up(self.registry, version)
            with self._lock:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = known
        return known

    def _beside_champion(self, stored: StoredModel, aliases: Aliases) -> ModelComparison | None:
        champion = aliases.get(str(model_name_of(stored.version)), {}).get(CHAMPION)
        if champion in (None, stored.version):
            return None
        try:
            found = compare(self.registry.load(str(champion)), stored)
        except (HeedError, OSError):
            return None
        return ModelComparison(
            champion=str(champion),
            figures=found["figures"],
            settings=found["settings"],
            columns=ChangedColumns(**found["features"]),
            lineage=found["lineage"],
        )


def _happened(entry: Entry) -> HistoryItem:
    """An entry; a reason that is no code is words of somebody, and not told."""
    reason = _REASON.match(entry.reason)
    return HistoryItem(
        when=datetime.fromtimestamp(entry.when, UTC),
        action=cast("Any", entry.action),
        version=entry.version,
        alias=cast("Any", entry.alias),
        before=entry.before,
        reason=reason["code"] if reason else None,
    )


def _summed_up(registry: Registry, version: str) -> _Summary:
    try:
        stored = registry.load(version)
        lineage = stored.card.get(LINEAGE)
        told = lineage if isinstance(lineage, dict) else {}
        features, before = told.get("features"), told.get("trained_before")
        return _Summary(
            state=_state(stored),
            signed_by=stored.signed_by,
            outcomes=_outcomes(stored),
            trained_before=datetime.fromtimestamp(before, UTC) if isinstance(before, int) else None,
            features=len(features) if isinstance(features, list) else None,
            figures={name: one for name, (one, _same) in compare(stored, stored)["figures"].items()},
        )
    except ModelError:
        return _Summary("damaged")


def _outcomes(stored: StoredModel) -> tuple[str, ...]:
    """The outcomes that the parts of a version are named by, or say they are of; remaining time is none."""
    named = {str(one.get("outcome", part)) for part, one in stored.descriptions().items()}
    return tuple(sorted(name for name in named if name.startswith(OUTCOMES)))


def _state(stored: StoredModel) -> ModelState:
    if stored.boundary_violations():
        return "refused"
    try:
        require_usable(stored)
    except BoundaryError:
        return "refused"
    except ModelError:
        return "misfit"
    return "usable"
