"""The very same import again is known by a hash of all that was asked for, and answered without reading a row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pandas as pd
from sqlalchemy import Connection, select

from data import tables
from data.import_report import ImportReport, report_fields
from data.mapping import Mapping
from data.read_bytes import RawFile, sha256_of


def request_sha256(
    path: Path,
    mapping: Mapping,
    *,
    drop: Collection[str],
    set_aside: Collection[str],
    strict: bool,
    extracted_at: int | None,
    sheet: str | None,
    standards: str | None = None,
    areas: pd.DataFrame | None = None,
) -> str:
    """A hash of the file, the mapping and every option; the order of columns and codes does not count.

    `standards` is the hash of service standards given with the call, `areas` are those of the store where the mapping
    places cases in them.

    Raises
    ------
    UsageError
        If there is no such file.
    """
    borders = None if areas is None else areas[["area", "parent", "boundary"]].to_json(orient="values")
    asked = {
        "file": sha256_of(RawFile(path)),
        "areas": None if borders is None else hashlib.sha256(borders.encode()).hexdigest(),
        "mapping": mapping.sha256,
        "source": mapping.source.name,
        "drop": sorted(set(drop)),
        "set_aside": sorted(set(set_aside)),
        "strict": strict,
        "extracted_at": extracted_at,
        "sheet": sheet,
        "standards": standards,
        # A later heed that reports otherwise reads the file once more.
        "report": report_fields(),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def answered(connection: Connection, request: str, file_name: str) -> ImportReport | None:
    """The report of the very same import if it is in the store, as that of one that changed nothing; else None."""
    runs = tables.import_run
    told = connection.execute(select(runs.c.report).where(runs.c.request_sha256 == request)).scalars().first()
    if told is None:
        return None
    before = ImportReport.from_dict(json.loads(told))
    return replace(
        before,
        file=file_name,
        import_id=None,
        events_added=0,
        events_known_already=before.events_added + before.events_known_already,
    )
