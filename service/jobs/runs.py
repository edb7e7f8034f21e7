"""What the kinds of job do, with the very functions that the commands use.

Each can be begun again after it was cut off anywhere, and ends as if it had not been: what it stores takes the place
of what an earlier attempt stored for the same moment; or it is stored once only by its nature, as an import is; or it
is stored with the end of the job, in one transaction (`service.jobs.work.Outcome.effect`).

What a kind stands on is imported when it runs: a worker that syncs loads no models, and whoever puts a job into the
queue loads none of it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data.errors import UsageError
from data.store import Store
from service.job_payloads import (
    BacktestArguments,
    DetectArguments,
    ReportArguments,
    RetainArguments,
    ScoreArguments,
    SyncArguments,
    TrainArguments,
)
from service.jobs.lease import Effect
from service.jobs.outputs import Unfinished, backups_folder, mappings_folder, reports_folder
from service.jobs.pinned import PinnedStore, pin_moment
from service.jobs.queue import WORKER
from service.jobs.work import Outcome, Work
from service.language import marked
from service.settings import Settings

if TYPE_CHECKING:
    from models.history import History
    from models.registry import Registry

_NOT_SYNCABLE: Final = marked(
    "name: expected a mapping with [sync] that heed ships, or one in the folder of mappings beside the store."
)

_ARCHIVE: Final = "heed.tar"

# ---- what the first attempt fixes ----


def pin_now(store: Store, _arguments: Any, _settings: Settings) -> Mapping[str, Any]:
    """All that is known now."""
    return pin_moment(store)


def pin_moment_asked(store: Store, arguments: Any, _settings: Settings) -> Mapping[str, Any]:
    """All that is known now, where no moment was given; one that was given is fixed already."""
    return pin_moment(store) if arguments.as_of is None else {}


def pin_training(store: Store, arguments: TrainArguments, settings: Settings) -> Mapping[str, Any]:
    """Besides, which models are in use: only those are replaced."""
    from service.training import FAILURES  # noqa: PLC0415

    moment = pin_moment_asked(store, arguments, settings)
    return {**moment, "champion": _registry(settings).champion(FAILURES)}


# ---- syncs ----


def check_sync(arguments: SyncArguments, settings: Settings) -> None:
    """Refuse a name that no mapping with [sync] has.

    Raises
    ------
    UsageError, MappingError
        If there is none, or it is wrong.
    """
    from data.mapping import find_mapping  # noqa: PLC0415

    if find_mapping(_mapping(arguments.name, settings)).sync is None:
        raise UsageError(_NOT_SYNCABLE)


def sync(work: Work) -> Outcome:
    """Fetch what is new at a portal and import it; the watermark moves in the transaction of the import."""
    from data.sources.sync import Surroundings, sync_source  # noqa: PLC0415

    asked: SyncArguments = work.arguments
    folder = os.environ.get("HEED_SYNC_FOLDER")
    report = sync_source(
        work.store,
        _mapping(asked.name, work.settings),
        since=asked.since,
        until=asked.until,
        progress=work.progress,
        surroundings=Surroundings(
            folder=Path(folder) if folder else None, proxy=os.environ.get("HEED_SYNC_PROXY") or None
        ),
    )
    imported = report.imported
    return Outcome(
        {
            "source": report.source,
            "rows": report.rows,
            "pages": report.pages,
            "resumed": report.resumed,
            "fetched_up_to": None if report.watermark is None else _shown(report.watermark),
            "cases": 0 if imported is None else imported.cases,
            "events_added": 0 if imported is None else imported.events_added,
        }
    )


def _mapping(name: str, settings: Settings) -> str | Path:
    from data.mapping import shipped_mappings  # noqa: PLC0415

    if name in shipped_mappings():
        return name
    own = mappings_folder(settings) / f"{name}.toml"
    if not own.is_file():
        raise UsageError(_NOT_SYNCABLE)
    return own


# ---- scores, signals, models ----


def score(work: Work) -> Outcome:
    """Score the open cases, in place of an earlier scoring of the same moment."""
    from service.scoring import score_open_cases  # noqa: PLC0415

    asked: ScoreArguments = work.arguments
    found = score_open_cases(
        _as_begun(work),
        _registry(work.settings),
        as_of=_seconds(asked.as_of),
        index_folder=work.settings.index_folder(),
        progress=work.progress,
    )
    return Outcome({**asdict(found), "as_of": _shown(found.as_of)})


def detect(work: Work) -> Outcome:
    """Find weak signals and measure pressure, in place of an earlier detection of the same moment."""
    from models.signals import SignalSettings  # noqa: PLC0415
    from service.detection import detect as detect_in  # noqa: PLC0415

    asked: DetectArguments = work.arguments
    found = detect_in(
        _as_begun(work),
        as_of=_seconds(asked.as_of),
        settings=SignalSettings(fdr_level=asked.fdr_level),
        minimum=work.settings.minimum_cell,
        progress=work.progress,
    )
    counts = {"signals": len(found.signals), "series": found.series, "weeks": found.weeks}
    gaps = [asdict(gap) for gap in found.board_gaps]
    return Outcome({**counts, "as_of": _shown(found.as_of), **({"board_gaps": gaps} if gaps else {})})


def train(work: Work) -> Outcome:
    """Train and save models; those that were in use when the job was begun are replaced with its end."""
    from features.outcomes import LANDMARK_OUTCOMES  # noqa: PLC0415
    from service.training import FAILURES, history_of, train_models  # noqa: PLC0415

    asked: TrainArguments = work.arguments
    registry, store = _registry(work.settings), _as_begun(work)
    work.progress("features", 0, 1)
    history = history_of(store, as_of=_seconds(asked.as_of), outcomes=asked.outcomes or LANDMARK_OUTCOMES)
    work.progress("features", 1, 1)
    version, models = train_models(store, registry, history, promote=False, progress=work.progress)

    closed = closed_gates(store, registry, version, history, work) if asked.promote else []

    def promoted(_connection: Any) -> dict[str, Any]:
        return {"promoted": promote_once(registry, FAILURES, version, work)}

    told = {
        "version": version,
        "outcomes": sorted(models.risks),
        "not_modelled": sorted(models.card["not_modelled"]),
        "trained_before": _shown(models.trained_before),
        "features": len(models.features),
        "promoted": False,
    }
    if closed:
        return Outcome({**told, "gates": closed})
    return Outcome(told, promoted if asked.promote else None)


def closed_gates(store: Store, registry: Registry, version: str, history: History, work: Work) -> list[str]:
    """The gates that keep a new version from the place of the one in use; it is next in line then."""
    from models.gates import failed  # noqa: PLC0415
    from models.registry.aliases import CHALLENGER  # noqa: PLC0415
    from models.registry.names import model_name_of  # noqa: PLC0415
    from service.gating import comparable, judge_version  # noqa: PLC0415

    name = str(model_name_of(version))
    if comparable(registry, version) is None:
        return []
    closed = failed(judge_version(store, registry, version, history=history, progress=work.progress))
    if closed:
        registry.promote(name, version, alias=CHALLENGER, reason=f"job {work.job.job_id}")
    return [gate.name for gate in closed]


def promote_once(registry: Registry, name: str, version: str, work: Work) -> bool:
    """Put the models of a job to use, once for all its attempts.

    While the transaction that ends the job is open nobody else can hold the job. An attempt that promoted and was cut
    off before the transaction ended left word in the history of the registry; if somebody rolled back since, that
    stands.

    Raises
    ------
    ModelError
        If others than those in use when the job was begun, and than its own, are in use now.
    """
    from models.registry.aliases import CHAMPION  # noqa: PLC0415

    reason = f"job {work.job.job_id}"
    own = [
        entry.version
        for entry in registry.history()
        if entry.action == "promoted" and entry.reason == reason and entry.alias == CHAMPION
    ]
    in_use = registry.champion(name)
    if version in own or in_use == version:
        return True
    before = own[-1] if own and own[-1] == in_use else work.job.pinned["champion"]
    registry.promote(name, version, expected=before, reason=reason)
    return True


# ---- files ----


def backtest(work: Work) -> Outcome:
    """Judge models of the past by what came after, as figures and as a page."""
    from models.validation.folds import rolling_folds  # noqa: PLC0415
    from models.validation.history_rows import risk_model_of, rows_of  # noqa: PLC0415
    from models.validation.run import backtest_folds  # noqa: PLC0415
    from service._disclosed_slices import disclose_slices  # noqa: PLC0415
    from service.backtest_report.page import page_of  # noqa: PLC0415
    from service.known import Known  # noqa: PLC0415
    from service.training import history_of  # noqa: PLC0415

    asked: BacktestArguments = work.arguments
    store = _as_begun(work)
    work.progress("read", 0, 1)
    history = history_of(store, outcomes=[asked.outcome])
    column = next(iter(history.outcomes))
    rows = rows_of(history, column, capacity=Known.at(store).capacity)
    work.progress("read", 1, 1)
    found = backtest_folds(
        risk_model_of(history, column),
        rows,
        folds=rolling_folds(rows, asked.folds, window=asked.window),
        progress=work.progress,
    )
    validation = disclose_slices(found.as_dict(), minimum=work.settings.minimum_cell)
    text = json.dumps(validation, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    page = page_of(validation, asked.language, near_instant=history.near_instant)
    told = {"outcome": asked.outcome, "folds": len(found.folds), "cases": found.cases}
    return _with_files(work, {"validation.json": text, "backtest.html": page}, told)


def report(work: Work) -> Outcome:
    """Check what the store holds, as figures and as a page."""
    from data.quality.check import check_store  # noqa: PLC0415
    from service.check_report.page import page_of  # noqa: PLC0415
    from service.check_report.told import Report  # noqa: PLC0415
    from service.check_verdict import verdicts  # noqa: PLC0415

    asked: ReportArguments = work.arguments
    checked = check_store(_as_begun(work), as_of=_seconds(asked.as_of), progress=work.progress)
    found = Report.of(checked, verdicts(checked), minimum=work.settings.minimum_cell)
    text = json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    work.progress("page", 0, 1)
    page = page_of(found, asked.language)
    work.progress("page", 1, 1)
    told = {"sources": len(checked), "findings": sum(len(one.findings) for one in checked), "stops": found.stops}
    return _with_files(work, {"check.json": text, "check.html": page}, told)


def _with_files(work: Work, files: Mapping[str, str], told: Mapping[str, Any]) -> Outcome:
    unfinished = _unfinished(work, reports_folder(work.settings))
    unfinished.write(files)
    return Outcome(told, _put_in_place(unfinished, sorted(files)))


def _unfinished(work: Work, folder: Path) -> Unfinished:
    return Unfinished(folder, f"{work.job.kind}-{work.job.job_id}", work.job.attempts)


def _put_in_place(unfinished: Unfinished, names: Sequence[str]) -> Effect:
    def in_place(_connection: Any) -> dict[str, Any]:
        unfinished.put_in_place()
        return {"files": [f"{unfinished.target.name}/{name}" for name in names]}

    return in_place


# ---- keeping house ----


def pin_moment_of_clock(_store: Store, _arguments: Any, _settings: Settings) -> Mapping[str, Any]:
    """The moment by the clock of this machine, from which is reckoned how old things are."""
    return {"now": int(time.time())}


def retain(work: Work) -> Outcome:
    """Let go of what is kept no longer, in one transaction; a second attempt finds nothing left of that moment."""
    from service.retention import retain as let_go  # noqa: PLC0415

    asked: RetainArguments = work.arguments
    found = let_go(work.store, work.settings, now=int(work.job.pinned["now"]), dry_run=asked.dry_run, actor=WORKER[0])
    return Outcome({"rows": dict(found.gone), "dry_run": found.dry_run})


def backup(work: Work) -> Outcome:
    """Copy the store and its models into one archive, in a folder that only its owner may read."""
    from service.backup.make import back_up  # noqa: PLC0415

    unfinished = _unfinished(work, backups_folder(work.settings))
    made = back_up(work.store, work.settings, unfinished.path(_ARCHIVE), actor=WORKER[0], progress=work.progress)
    told = {"bytes": made.bytes, "rows": sum(made.manifest.rows.values()), "audit_head": made.manifest.audit_head}
    return Outcome(told, _put_in_place(unfinished, [_ARCHIVE]))


# ---- shared ----


def _as_begun(work: Work) -> Store:
    """The store as it stood when the job was first begun; where a moment was given, the store itself: of a moment it
    tells the same for ever.
    """
    return PinnedStore(work.store, work.job.pinned) if "as_of" in work.job.pinned else work.store


def _registry(settings: Settings) -> Registry:
    from models.registry import Registry  # noqa: PLC0415

    return Registry(settings.models_folder())


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
