"""`heed models`: which models there are, which are in use, and how they came to be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from data.boundary import refuse
from data.errors import HeedError, ModelError, UsageError
from models.lineage import require_usable
from models.registry import ALIASES, ANYONE, CHAMPION, Registry, StoredModel
from models.registry.compare import compare as compare_versions
from models.registry.names import model_name_of
from models.registry.signature import make_pair, signing_key_from_environment
from models.registry.verify import verify as verify_all
from service.boundary import check
from service.cli._app import Json, app, emit, open_registry, open_store, out, shown
from service.cli._gates import checked_gates, record_override
from service.cli._models_shown import tell_comparison, tell_history, tell_list, tell_model, tell_verified

group = typer.Typer(
    help="The models of a store: list, show, compare, promote, roll back, verify, prune, sign.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(group, name="models")

Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version, or an alias such as failures:champion.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the history; no personal data.")]
SignWith = Annotated[
    Path | None,
    typer.Option("--sign-with", metavar="KEY", help="Private key; else the one HEED_MODEL_SIGNING_KEY names."),
]
Override = Annotated[
    str | None,
    typer.Option("--override", metavar="CODE", help="Why gates that are not passed are gone over, as a short code."),
]
Expect = Annotated[
    str | None,
    typer.Option("--expect", metavar="VERSION", help="Only if this one has the alias now; 'none': if nothing has."),
]

_NOTHING: Final = "none"


@group.command("list")
def list_(as_json: Json = False) -> None:
    """List the versions, with what each is in use as.

    Example: heed --store heed.db models list
    """
    registry = open_registry()
    rows = [_row(registry, version) for version in registry.versions()]
    if as_json:
        emit({"models": rows})
    else:
        tell_list(rows)


@group.command("show")
def show(version: Version, as_json: Json = False) -> None:
    """Show where a version comes from: data, features, code, seeds, counts, and its figures.

    Example: heed --store heed.db models show failures:champion
    """
    registry = open_registry()
    stored = registry.load(resolved(registry, version))
    result = {
        **_row(registry, stored.version),
        "parts": [part for part in stored.parts if part],
        "files": {name: len(data) for name, data in sorted(stored.files.items())},
        "usable": _why_not(stored) is None,
        "why_not": _why_not(stored),
        "columns": list(stored.columns()),
        "card": stored.card,
    }
    if as_json:
        emit(result)
    else:
        tell_model(result)


@group.command("compare")
def compare(version: Version, other: Version, as_json: Json = False) -> None:
    """Put two versions side by side: figures, settings, features, and where they come from.

    Example: heed --store heed.db models compare failures:champion failures:challenger
    """
    registry = open_registry()
    one, two = (registry.load(resolved(registry, name)) for name in (version, other))
    result = compare_versions(one, two)
    if as_json:
        emit(result)
    else:
        tell_comparison(result)


@group.command("promote")
def promote(
    version: Version,
    alias: Annotated[str, typer.Option("--as", metavar="ALIAS", help=f"One of {', '.join(ALIASES)}.")] = CHAMPION,
    expect: Expect = None,
    reason: Reason = "",
    override: Override = None,
    as_json: Json = False,
) -> None:
    """Put a version to use; hashes, signature and boundary are checked first. Exit code 3 if the boundary refuses it.

    To take the place of the version in use it has to pass its gates (`heed models gates`), which a judgement on later
    cases opens (`heed models judge`). `--override CODE` goes over them, and the audit trail tells so.

    Example: heed --store heed.db models promote failures-4f0c9a1b2d3e --expect failures-0a1b2c3d4e5f
    """
    registry = open_registry()
    chosen = resolved(registry, version)
    refuse(check())
    name = str(model_name_of(chosen))
    before = registry.champion(name) if alias == CHAMPION else registry.alias(name, alias)
    gone_over = checked_gates(registry, chosen, override) if alias == CHAMPION else []
    if gone_over:
        with open_store() as store:
            record_override(store, chosen, before, str(override), gone_over)
    # The gates were asked beside the one in use then.
    expected = before if expect is None and alias == CHAMPION else _expected(expect)
    before = registry.promote(name, chosen, alias=alias, expected=expected, reason=reason)
    _tell_change({"model": name, "version": chosen, "alias": alias, "before": before}, as_json=as_json)


@group.command("rollback")
def rollback(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Needed where there are several.")] = None,
    expect: Expect = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Put the version before the champion back to use.

    Example: heed --store heed.db models rollback failures --reason "worse in the north"
    """
    registry = open_registry()
    name = model or _only_model(registry)
    refuse(check())
    before = registry.champion(name)
    restored = registry.rollback(name, expected=_expected(expect), reason=reason)
    _tell_change({"model": name, "version": restored, "alias": CHAMPION, "before": before}, as_json=as_json)


@group.command("verify")
def verify(as_json: Json = False) -> None:
    """Check the hashes, manifests and signatures of all versions, and the aliases. Exit code 1 if anything is wrong.

    Example: heed --store heed.db models verify
    """
    found = verify_all(open_registry())
    wrong = [one for one in found if one.problem is not None]
    rows = [{"name": one.name, "problem": one.problem, "signed_by": one.signed_by} for one in found]
    if as_json:
        emit({"whole": not wrong, "checked": rows})
    else:
        tell_verified(rows)
    if wrong:
        raise ModelError(f"Expected {len(found)} to be whole, and {len(wrong)} are not: {wrong[0].problem}")


@group.command("prune")
def prune(
    keep: Annotated[int, typer.Option("--keep", metavar="N", help="How many free versions of each model to keep.")],
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Only versions of this one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken away.")] = False,
    as_json: Json = False,
) -> None:
    """Take away old versions; never one in use, next in line, or kept for a rollback.

    Example: heed --store heed.db models prune --keep 5 --dry-run
    """
    taken = open_registry().prune(keep=keep, name=model, dry_run=dry_run)
    if as_json:
        emit({"removed": taken, "dry_run": dry_run})
        return
    said = "would be taken away" if dry_run else "taken away"
    out.print(f"{len(taken)} versions {said}{': ' if taken else '.'}{', '.join(taken)}")


@group.command("sign")
def sign(version: Version, sign_with: SignWith = None, as_json: Json = False) -> None:
    """Sign a version that is stored already; its hashes are checked first.

    Example: heed --store heed.db models sign failures-4f0c9a1b2d3e --sign-with office.key
    """
    registry = open_registry()
    key = sign_with or signing_key_from_environment()
    if key is None:
        raise UsageError("Expected a private key: give it with --sign-with KEY. Make one with `heed models keygen`.")
    chosen = resolved(registry, version)
    signer = registry.sign(chosen, key)
    if as_json:
        emit({"version": chosen, "signed_by": signer})
    else:
        out.print(f"{chosen} is signed by {signer}.")


@group.command("keygen")
def keygen(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="NAME.key (private) and NAME.pem (public) are written.")],
    as_json: Json = False,
) -> None:
    """Make a pair of keys for signing models (Ed25519): NAME.key for its owner only, and NAME.pem to be trusted.

    Example: heed models keygen office
    """
    private, public = (name.with_name(name.name + suffix) for suffix in (".key", ".pem"))
    fingerprint = make_pair(private, public)
    if as_json:
        emit({"fingerprint": fingerprint, "private": str(private), "public": str(public)})
    else:
        out.print(
            f"Key {fingerprint}: {private} (keep it to yourself) and {public} (put it into the folder that "
            "HEED_MODEL_TRUSTED_KEYS names)."
        )


@group.command("history")
def history(
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Only of this one.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what was saved, promoted, rolled back, signed and pruned, oldest first.

    Example: heed --store heed.db models history
    """
    entries = [entry for entry in open_registry().history() if model in (None, entry.model)]
    rows = [{**entry.as_dict(), "when": shown(entry.when)} for entry in entries]
    if as_json:
        emit({"history": rows})
    else:
        tell_history(rows)


def _row(registry: Registry, version: str) -> dict[str, Any]:
    """One version as plain values; one that cannot be loaded says why."""
    held = registry.aliases().get(str(model_name_of(version)), {})
    problem, signer = None, None
    try:
        signer = registry.load(version).signed_by
    except HeedError as error:
        problem = str(error)
    return {
        "version": version,
        "model": model_name_of(version),
        "aliases": sorted(alias for alias, found in held.items() if found == version),
        "saved_at": shown(registry.saved_at(version)),
        "signed_by": signer,
        "problem": problem,
    }


def _why_not(stored: StoredModel) -> str | None:
    try:
        require_usable(stored)
    except ModelError as error:
        return str(error)
    return None


def resolved(registry: Registry, text: str) -> str:
    """A version as it was given, or the one that `MODEL:ALIAS` stands for."""
    name, colon, alias = text.rpartition(":")
    if not colon:
        return text
    found = registry.alias(name, alias)
    if found is None:
        raise UsageError(f"Expected an alias that is set, and there is no {alias} of '{name}'. See `heed models list`.")
    return found


def _expected(text: str | None) -> str | None:
    if text is None:
        return ANYONE
    return None if text == _NOTHING else text


def _only_model(registry: Registry) -> str:
    names = sorted(registry.aliases())
    if len(names) != 1:
        raise UsageError(f"Expected the name of a model; there is: {', '.join(names) or 'none yet, run `heed train`'}.")
    return names[0]


def _tell_change(change: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit(change)
    elif change["before"] == change["version"]:
        out.print(f"{change['version']} is {change['alias']} of {change['model']} already.")
    else:
        out.print(
            f"{change['version']} is {change['alias']} of {change['model']} now, after {change['before'] or 'none'}."
        )
