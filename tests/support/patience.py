"""How long a browser waits for a page before a test fails: slow reading of a busy machine is no fault of a page."""

from __future__ import annotations

import os
from typing import Final

# Milliseconds. Whoever mends tests sets it lower: a mark that is not on the page is then missed in seconds.
PATIENCE: Final = int(os.environ.get("HEED_TEST_PATIENCE", "120000"))
