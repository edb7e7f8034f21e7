"""One Chromium of a test process, shared by the files of browser tests that it runs one after another."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM: Final = os.environ.get("HEED_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
# Every file of browser tests bears it.
NEEDS_CHROMIUM: Final = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="Chromium is not on this machine: apt-get install chromium fonts-noto-cjk"
)
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class SharedBrowser:
    """Started when it is first asked for. While it runs, this thread has an event loop: close it before other tests."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._browser: Browser | None = None

    def get(self) -> Browser:
        """The browser; whoever makes a context in it closes it."""
        if self._browser is None:
            playwright = self._open.enter_context(sync_playwright())
            self._browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
            self._open.callback(self._browser.close)
        return self._browser

    def close(self) -> None:
        """End it, if it runs; the next to ask gets a new one."""
        self._browser = None
        self._open.close()
