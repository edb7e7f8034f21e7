"""What is found out about a version later, such as how it did in a back-test: beside its files, and under a hash.

It is no part of the version, whose name is the hash of what it learned; so it may be written anew, and a damaged one is
refused like a damaged model. It is not signed: it is made where a version is put to use, and the private key does not
lie there. A hash shows damage and no forgery; whoever may write to the folder of models can open the gates that go by
it, and can bring in no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from data.errors import ModelError
from models.registry.files import LARGEST_JSON, as_json, parse_json, read_limited, replace_synced, sha256
from models.registry.names import JUDGED

_FORMAT: Final = 1


def write_judged(folder: Path, told: Mapping[str, Any]) -> None:
    """Put what was found out beside the version in a folder, in place of what was there.

    Raises
    ------
    ModelError
        If it holds numbers that JSON has none for, or is too large.
    """
    version = folder.name
    try:
        inner = json.dumps(told, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{version}/{JUDGED}: expected plain values with finite numbers. Judge it again.") from error
    data = as_json({"format": _FORMAT, "version": version, "sha256": sha256(inner.encode()), "told": dict(told)})
    if len(data) > LARGEST_JSON:
        raise ModelError(f"{version}/{JUDGED}: expected at most {LARGEST_JSON:,} bytes, got {len(data):,}.")
    replace_synced(folder / JUDGED, data)


def read_judged(folder: Path) -> dict[str, Any] | None:
    """What `write_judged` put there; None where nothing was.

    Raises
    ------
    ModelError
        If it is damaged, or of another version.
    """
    path = folder / JUDGED
    if not path.exists() and not path.is_symlink():
        return None
    where = f"{folder.name}/{JUDGED}"
    content = parse_json(read_limited(path, where, LARGEST_JSON), where)
    told = content.get("told")
    if content.get("format") != _FORMAT or content.get("version") != folder.name or not isinstance(told, dict):
        raise ModelError(f"{where}: expected what was found out about this version. Judge it again.")
    inner = json.dumps(told, sort_keys=True, ensure_ascii=False)
    if content.get("sha256") != sha256(inner.encode()):
        raise ModelError(f"{where}: expected the contents of its hash, and they differ: damaged. Judge it again.")
    return told
