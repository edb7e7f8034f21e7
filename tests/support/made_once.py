"""What takes long to make and is only read or copied, made once for all processes of a test run."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

# Set by the first process of a run; the processes that it starts inherit it, and the first removes the folder.
_SHARED = "HEED_TESTS_MADE_ONCE"


def shared_folder() -> Path:
    """The folder of this run."""
    if _SHARED not in os.environ:
        folder = tempfile.mkdtemp(prefix="heed-tests-")
        os.environ[_SHARED] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(os.environ[_SHARED])


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder of that name, filled by whoever asks first; who asks meanwhile waits.

    Parameters
    ----------
    name : of what is in it
    make : fills the empty folder that it is given; if it fails, the next one tries again

    Returns
    -------
    the folder; read it or copy it, don't write to it
    """
    home = shared_folder()
    home.mkdir(exist_ok=True)
    folder = home / name
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = home / f"{name}.begun"
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            make(begun)
            begun.rename(folder)
    return folder
