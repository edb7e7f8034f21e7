"""The name of an event: a hash of what it says, so that the database itself refuses to store a fact twice.

The same fact gets the same name in every run, on every machine and with every version of every library: the hash is
written out here. It is no secret and need not withstand anybody; it only has to tell the few events of one case apart.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.schema import EVENT_COLUMNS

Words = NDArray[np.uint64]

# The case is no part of the name: it stands beside it in the key of the table.
_SAID: Final = EVENT_COLUMNS[1:]
_TIMES: Final = ("at", "known_at", "due_at")
_NOTHING: Final = np.uint64((1 << 64) - 1)
_HEX: Final = np.array([list(f"{byte:02x}".encode()) for byte in range(256)], dtype=np.uint8)


def event_ids(source: str, events: pd.DataFrame) -> list[str]:
    """A name per event, 16 hex digits: a hash of the source and of everything that the event says, in `EVENT_COLUMNS`.

    The names of two events of one case are equal only if they say the same; events of different cases may share one.
    """
    return hex_names(event_words(source, events))


def event_words(source: str, events: pd.DataFrame) -> Words:
    """The names as numbers: shape (n,), uint64. Column after column, not row after row: millions a second."""
    names = np.full(len(events), _text_word(source), dtype=np.uint64)
    for column in _SAID:
        names = _mixed(names ^ (_time_words if column in _TIMES else _text_words)(events[column]))
    return names


def hex_names(words: Words) -> list[str]:
    """Every number as 16 hex digits."""
    digits = _HEX[words.astype(">u8").view(np.uint8)].tobytes().decode("ascii")
    return [digits[start : start + 16] for start in range(0, len(digits), 16)]


def _time_words(values: pd.Series) -> Words:
    there = values.notna().to_numpy(dtype=bool)
    words = np.full(len(values), _NOTHING, dtype=np.uint64)
    words[there] = values[there].to_numpy(dtype=np.int64).view(np.uint64)
    return words


def _text_words(values: pd.Series) -> Words:
    # Every distinct value once: there are few.
    codes, distinct = pd.factorize(values)
    words = np.array([*(_text_word(str(value)) for value in distinct.tolist()), _NOTHING], dtype=np.uint64)
    return words[codes]


def _text_word(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"))


def _mixed(words: Words) -> Words:
    """The last step of SplitMix64: one to one, and every bit of the input moves half of the bits of the output."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
