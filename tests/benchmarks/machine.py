"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """What all this was measured on."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = {"processor": model[1] if model else platform.machine(), "cores": os.cpu_count()}
    return {
        **found,
        "memory_gb": round(memory / 1e9, 1),
        "load": [round(one, 2) for one in os.getloadavg()],
        "python": platform.python_version(),
        **{name: _version(name) for name in ("numpy", "pandas", "pyarrow", "polars")},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
