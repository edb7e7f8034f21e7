"""An event index in a folder: plain arrays that are mapped into memory, and a list of what is where.

    index.json             format, contract, and for each segment its tables, key sets and measures
    segment-0001/codes.json
    segment-0001/0000.packed.npy, 0000.n.npy, …

Arrays are never changed once written. A day that was added is one more segment folder; the list is replaced last and in
one step, so a reader sees the index before or after, and a crash leaves what was there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from data.errors import FileFormatError, UsageError
from features.facts import facts_contract
from features.key_codes import KeyCodes
from features.segment import Segment
from features.sorted_facts import SortedFacts

if TYPE_CHECKING:
    from features.event_index import EventIndex

FORMAT: Final = 1
_LIST: Final = "index.json"


def save_index(index: EventIndex, folder: Path) -> None:
    """Write what the folder does not have yet; segments that came from it stay as they are.

    Folders of segments that are not listed any more stay too: another process may have them mapped.

    Raises
    ------
    ValueError
        If the index was built without its terms.
    """
    for segment in index.segments:
        segment.require_closed()
    folder.mkdir(parents=True, exist_ok=True)
    described = []
    for segment in index.segments:
        if segment.home is None or segment.home.parent != folder.resolve():
            segment.home = _write_segment(segment, _free(folder.resolve()))
        described.append({"folder": segment.home.name, "parts": _parts(segment)})
    listed = {"format": FORMAT, "contract": facts_contract(), "segments": described}
    beside = folder / (_LIST + ".new")
    beside.write_text(json.dumps(listed, indent=1), encoding="utf-8")
    beside.replace(folder / _LIST)


def open_segments(folder: Path) -> Iterator[Segment]:
    """The segments of a saved index; see `EventIndex.open`."""
    listed = _read_list(folder)
    for described in listed["segments"]:
        home = folder.resolve() / described["folder"]
        codes = KeyCodes.from_json(_json(home / "codes.json"))
        under = {
            (part["table"], tuple(part["keys"])): _read_part(home, number, part)
            for number, part in enumerate(described["parts"])
        }
        yield Segment(None, codes, under, home)


def _free(folder: Path) -> Path:
    number = 1
    while (folder / f"segment-{number:04d}").exists():
        number += 1
    return folder / f"segment-{number:04d}"


def _write_segment(segment: Segment, home: Path) -> Path:
    home.mkdir()
    for number, facts in enumerate(segment.under.values()):
        np.save(home / f"{number:04d}.packed.npy", facts.packed)
        for name, sums in facts.running.items():
            np.save(home / f"{number:04d}.{name}.npy", sums)
    (home / "codes.json").write_text(json.dumps(segment.codes.to_json(), ensure_ascii=False), encoding="utf-8")
    return home


def _parts(segment: Segment) -> list[dict[str, Any]]:
    return [
        {"table": table, "keys": list(keys), "facts": len(facts.packed), "measures": sorted(facts.running)}
        for (table, keys), facts in segment.under.items()
    ]


def _read_part(home: Path, number: int, part: dict[str, Any]) -> SortedFacts:
    packed = _mapped(home / f"{number:04d}.packed.npy", part["facts"])
    running = {name: _mapped(home / f"{number:04d}.{name}.npy", part["facts"] + 1) for name in part["measures"]}
    return SortedFacts(packed, running)


def _mapped(file: Path, size: int) -> np.ndarray:
    try:
        # As a plain array: the subclass that mapping gives costs as much at every look-up as the look-up itself.
        found = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise FileFormatError(f"{file.name}: expected an array of an event index, and it is missing or cut short. "
                              "Make the index anew.") from error  # fmt: skip
    if found.shape != (size,) or found.dtype not in (np.int32, np.int64):
        raise FileFormatError(f"{file.name}: expected {size:,} integers, got {found.shape} of {found.dtype}. "
                              "Make the index anew.")  # fmt: skip
    return found


def _read_list(folder: Path) -> dict[str, Any]:
    file = folder / _LIST
    if not file.exists():
        raise FileFormatError(f"{folder}: expected an event index, and there is no {_LIST} in it.")
    listed = _json(file)
    if listed.get("format") != FORMAT:
        raise UsageError(f"{folder}: expected an index of format {FORMAT}, got {listed.get('format')}. Make it anew.")
    if listed.get("contract") != facts_contract():
        raise UsageError(f"{folder}: this index was made by a version of heed whose facts are others. Make it anew.")
    return listed


def _json(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_text(file))
    except ValueError as error:
        raise FileFormatError(f"{file.name}: expected a part of an event index, and it is not JSON.") from error
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise FileFormatError(f"{file.name}: expected a part of an event index, and it cannot be read.") from error
