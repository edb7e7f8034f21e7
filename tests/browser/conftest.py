"""What every browser test finds here: the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.chromium import SharedBrowser

HERE = Path(__file__).parent
SHARED = SharedBrowser()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here; nothing of one file is left in it for the next."""
    shared = SHARED.get()
    yield shared
    for context in shared.contexts:
        context.close()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close it once other tests come, whose event loops it would be in the way of."""
    if nextitem is None or HERE not in nextitem.path.parents:
        SHARED.close()
