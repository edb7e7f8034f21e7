"""The boundary as anyone may read it: what `heed boundary check` looks at in this very service, and what it found."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, Field

from data.boundary import FORBIDDEN_KINDS, mapping_violations, schema_violations
from data.errors import HeedError
from data.mapping import find_mapping, shipped_mappings
from features.catalogue import catalogue_violations
from models.registry import Registry
from service.boundary import checked_parts
from service.language import Words, marked
from service.payload_parts import example
from service.training import FAILURES

PARTS: Final = {
    "fields of the allow-list": marked("Fields that heed takes in"),
    "columns of the store": marked("Columns of its store"),
    "features": marked("Features that its models may learn from"),
    "shipped mappings": marked("Mappings for the exports of cities"),
}
KINDS: Final = {
    "a person or a household": marked("a person or a household"),
    "contact data or a number of a person": marked("contact data, or a number that belongs to a person"),
    "an exact place": marked("an exact place: an address, a house, coordinates"),
    "free text or a picture": marked("free text or a picture"),
    "petitioning, protest, stability, crime or conduct": marked("petitioning, protest, stability, crime or conduct"),
    "a complaint history": marked("who complained before, and how often"),
    "a score or name of a handler": marked("a handler by name, or a score of one"),
}
MEANINGS: Final = (
    marked("What is judged is a case and the office's duty to it, and a problem type in an area. Nobody is."),
    marked("A file that carries more than the allow-list has is refused, with the names of its columns."),
    marked("An outcome is something that an office did or left undone; nothing foretells what people will do."),
    marked("The order by deadline takes no account of the risk, and nothing is decided by itself."),
    marked("Figures under ten leave the system in no way, nor do others that would give them away."),
)
LIMIT: Final = marked(
    "The check reads names, because a thing has to be called something before it can be kept, learned from or shown. "
    "It is a tripwire; what protects is that the allow-list has no place for any of it. It runs in the tests, at every "
    "import, at every promotion of a model and when the service starts."
)
Verdict = Literal["holds", "broken", "unreadable"]


class CheckedPart(BaseModel):
    """One thing that was looked at."""

    model_config = example(part="features", name="Features that its models may learn from", names=180, violations=[])

    part: str
    name: str
    names: int = Field(description="How many names were read.")
    violations: list[str] = Field(description="The names that the boundary refuses; empty where it holds.")


class CheckedModel(BaseModel):
    """One version of the models that is in use."""

    model_config = example(version="failures-4f0c9a1b2d3e", used_as=["champion"], verdict="holds", names=180)

    version: str
    used_as: list[str]
    verdict: Verdict
    names: int | None = Field(description="How many names it was made of; null where it cannot be read.")
    violations: list[str] = []


class KeptOut(BaseModel):
    """What no name may be about."""

    model_config = example(kind="a person or a household", name="a person or a household", words=60)

    kind: str
    name: str
    words: int = Field(description="How many words in both languages stand for it.")


class BoundaryReport(BaseModel):
    """What the boundary was checked on, here and now."""

    holds: bool
    checked: int = Field(description="All names together.")
    parts: list[CheckedPart]
    models: list[CheckedModel] = Field(description="Every version that is in use; none before the first training.")
    kept_out: list[KeptOut]
    meanings: list[str] = Field(description="What follows from it, in words.")
    limit: str = Field(description="What such a check is, and what it is not.")


def boundary_report(registry: Registry, words: Words) -> BoundaryReport:
    """The report on this build and on the models that a registry has in use.

    Raises
    ------
    ModelError
        If the registry cannot be read.
    """
    aliases = registry.aliases().get(FAILURES, {})
    versions = {
        version: sorted(name for name, held in aliases.items() if held == version) for version in aliases.values()
    }
    parts = [
        CheckedPart(part=part, name=words.gettext(PARTS[part]), names=names, violations=list(_found()[part]))
        for part, names in checked_parts().items()
    ]
    models = [_checked(registry.folder, version, used) for version, used in sorted(versions.items())]
    return BoundaryReport(
        holds=all(not part.violations for part in parts) and all(model.verdict == "holds" for model in models),
        checked=sum(part.names for part in parts) + sum(model.names or 0 for model in models),
        parts=parts,
        models=models,
        kept_out=[
            KeptOut(kind=kind, name=words.gettext(KINDS[kind]), words=count) for kind, count in FORBIDDEN_KINDS.items()
        ],
        meanings=[words.gettext(sentence) for sentence in MEANINGS],
        limit=words.gettext(LIMIT),
    )


@lru_cache(maxsize=1)
def _found() -> dict[str, tuple[str, ...]]:
    """What each part holds against the boundary; the parts of a build do not change while it runs."""
    schema = schema_violations()
    fields = [one for one in schema if not one.where.startswith("table ")]
    columns = [one for one in schema if one.where.startswith("table ")]
    mappings = [one for name in shipped_mappings() for one in mapping_violations(find_mapping(name))]
    found = (fields, columns, catalogue_violations(), mappings)
    return {part: tuple(map(str, violations)) for part, violations in zip(PARTS, found, strict=True)}


def _checked(folder: Path, version: str, used: list[str]) -> CheckedModel:
    verdict, names, violations = _looked_at(folder, version)
    return CheckedModel(version=version, used_as=used, verdict=verdict, names=names, violations=list(violations))


@lru_cache(maxsize=16)
def _looked_at(folder: Path, version: str) -> tuple[Verdict, int | None, tuple[str, ...]]:
    # A version is named by its contents and its hashes are checked: it is read once.
    try:
        stored = Registry(folder).load(version)
        found = stored.boundary_violations()
        names = len(stored.columns())
    except (HeedError, OSError):
        return "unreadable", None, ()
    return ("broken" if found else "holds"), names, tuple(map(str, found))
