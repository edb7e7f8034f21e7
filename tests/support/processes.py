"""Processes that start quickly: a server has the modules already, and forks in milliseconds what would take seconds."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext


def quick_context() -> BaseContext:
    """A context of `multiprocessing` whose processes share nothing with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["data.import_cases", "tests.support.big_files", "tests.support.exports"])
    return context
