"""Where a model comes from: of which data, features, code, libraries and seeds it was made, and whether it fits here.

The lineage stands in the model's card, and so under the hash that is its version: the same data, code, libraries and
seeds make the same version, bit for bit, and what differs between two versions can be read off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Self

from data.boundary import violations
from data.errors import ModelError
from features.catalogue import CATALOGUE
from features.facts import facts_contract
from models.contract import feature_contract
from models.registry import StoredModel

FORMAT: Final = 1
# Key of a card under which the lineage stands.
LINEAGE: Final = "lineage"
# What can change a bit of a model. The first alone can make one unreadable.
LIBRARIES: Final = ("lightgbm", "numpy", "pandas", "scikit-learn", "scipy")
_ROOMS: Final = ("data", "features", "models")


@dataclass(frozen=True)
class Lineage:
    """Where one training comes from.

    Attributes
    ----------
    data : fingerprint of the rows that the training used, see `models.fingerprint.data_fingerprint`
    features : names of the catalogue, in the order of the columns
    feature_contract : what they mean, see `models.contract.feature_contract`
    facts_contract : what the facts behind them are, see `features.facts.facts_contract`
    code : `version` of heed, and `sources`, a SHA-256 of the source of data, features and models
    libraries : name -> version
    seeds : what each was for -> the number
    parameters : of the training, as plain values; without numbers of threads, which change no bit
    trained_before : seconds in UTC; nothing known later went into the model
    counts : outcome -> figures of its training rows, such as n and failed
    label_trust : outcome, or "" for all -> training cases by grade
    boundary : `clean`, and how many names were `checked`
    format : of this description
    """

    data: str
    features: tuple[str, ...]
    feature_contract: str
    facts_contract: str
    code: Mapping[str, str]
    libraries: Mapping[str, str]
    seeds: Mapping[str, int]
    parameters: Mapping[str, Any]
    trained_before: int
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    label_trust: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    boundary: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def of(
        cls,
        *,
        data: str,
        features: Sequence[str],
        seeds: Mapping[str, int],
        parameters: Mapping[str, Any],
        trained_before: int,
        counts: Mapping[str, Mapping[str, int]] | None = None,
        label_trust: Mapping[str, Mapping[str, int]] | None = None,
    ) -> Self:
        """The lineage of a training that is made here and now; contracts, code, libraries and boundary are looked up.

        Raises
        ------
        KeyError
            If a feature is none of the catalogue's.
        """
        return cls(
            data=data,
            features=tuple(features),
            feature_contract=feature_contract(features),
            facts_contract=facts_contract(),
            code=code_version(),
            libraries=library_versions(),
            seeds=dict(seeds),
            parameters=_without_threads(parameters),
            trained_before=trained_before,
            counts=dict(counts or {}),
            label_trust=dict(label_trust or {}),
            boundary={"clean": not violations("model", features), "checked": len(features)},
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a card."""
        return {**asdict(self), "features": list(self.features)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any], whose: str) -> Self:
        """Read the lineage in a card; `whose` names the model in messages.

        Raises
        ------
        ModelError
            If the card has none, or one of another format.
        """
        told = card.get(LINEAGE)
        if not isinstance(told, dict):
            raise ModelError(f"{whose}: expected a card that says where the model comes from, and it does not. {_MAKE}")
        if told.get("format") != FORMAT:
            raise ModelError(
                f"{whose}: expected a lineage of format {FORMAT}, got {told.get('format')!r}: it was written by "
                f"another version of heed. {_MAKE}"
            )
        known = {name: told[name] for name in cls.__dataclass_fields__ if name in told}
        try:
            return cls(**{**known, "features": tuple(known["features"])})
        except (KeyError, TypeError) as error:
            raise ModelError(f"{whose}: its lineage is not complete. {_MAKE}") from error


# How many hands grew the trees is no part of a model, and must not change its version.
_THREADS: Final = frozenset({"n_jobs", "threads", "num_threads"})


def _without_threads(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_threads(value) if isinstance(value, Mapping) else value
        for name, value in parameters.items()
        if name not in _THREADS
    }


_MAKE: Final = "Make one anew: `heed train`."


def require_usable(stored: StoredModel) -> Lineage:
    """Refuse a version that was made for other features, facts or libraries than are here; returns its lineage.

    That its hashes and its signature are right has been checked when it was loaded.

    Raises
    ------
    ModelError
        Saying which of them differs: what was expected, what came, and what to do.
    """
    lineage = Lineage.from_card(stored.card, stored.version)
    _require_features(lineage, stored.version)
    _require_library(lineage, stored.version)
    return lineage


def _require_features(lineage: Lineage, whose: str) -> None:
    unknown = [name for name in lineage.features if name not in CATALOGUE]
    if unknown:
        raise ModelError(
            f"{whose}: expected features of this version's catalogue, and it learned from {', '.join(unknown)}. {_MAKE}"
        )
    here = facts_contract()
    if lineage.facts_contract != here:
        raise ModelError(
            f"{whose}: expected a model made of the facts of this version ({here[:12]}), and it learned from others "
            f"({lineage.facts_contract[:12]}). {_MAKE}"
        )
    meant = feature_contract(lineage.features)
    if lineage.feature_contract != meant:
        raise ModelError(
            f"{whose}: expected features that mean what they mean here ({meant[:12]}), and it learned from features of "
            f"the same names that meant something else ({lineage.feature_contract[:12]}). {_MAKE}"
        )


def _require_library(lineage: Lineage, whose: str) -> None:
    here, there = library_versions()["lightgbm"], str(lineage.libraries.get("lightgbm", "none"))
    if here.split(".")[0] != there.split(".", maxsplit=1)[0]:
        raise ModelError(
            f"{whose}: expected trees of LightGBM {here.split('.')[0]}, as installed, and they were grown by {there}. "
            f"Install that version, or make a model anew: `heed train`."
        )


def lineage_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between two lineages as cards hold them: dotted name -> (one, other), None where it is not said.

    Features are told apart as `features added` and `features removed`, seen from the first.
    """
    flat = [_flat({name: value for name, value in told.items() if name != "features"}) for told in (one, other)]
    found = {
        name: (flat[0].get(name), flat[1].get(name))
        for name in sorted({*flat[0], *flat[1]})
        if flat[0].get(name) != flat[1].get(name)
    }
    before, after = (list(told.get("features", ())) for told in (one, other))
    added, removed = [name for name in after if name not in before], [name for name in before if name not in after]
    changed: dict[str, tuple[Any, Any]] = {}
    if added:
        changed["features added"] = (None, added)
    if removed:
        changed["features removed"] = (removed, None)
    return {**changed, **found}


def _flat(told: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in told.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{start}{name}.")
        else:
            found[f"{start}{name}"] = value
    return found


@lru_cache(maxsize=1)
def code_version() -> dict[str, str]:
    """The version of heed, and a SHA-256 of the Python source of data, features and models.

    Worked out from the files that are running, so that it needs no version control, and a changed line shows.
    """
    digest = hashlib.sha256()
    for room in _ROOMS:
        (folder,) = (Path(place) for place in import_module(room).__path__)
        for path in sorted(folder.rglob("*.py")):
            name = f"{room}/{path.relative_to(folder).as_posix()}"
            # The same source is the same, whatever a system ends its lines with.
            source = path.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{name}:{len(source)}:".encode() + source)
    return {"version": _installed("heed"), "sources": digest.hexdigest()}


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """The versions of the libraries that can change a bit of a model."""
    return {name: _installed(name) for name in LIBRARIES}


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
