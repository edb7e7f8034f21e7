"""What scoring of posted cases needs of the service, put into an app."""

from __future__ import annotations

import gc
import sys
from typing import Final

from fastapi import FastAPI

from models.registry import Registry
from service.online.holder import ModelHolder
from service.online.pool import WorkPool
from service.routers import risk
from service.settings import Settings

# For how long a thread that scores may keep the interpreter before the event loop gets it, in seconds. Python's own
# 5 ms would be waited for several times in each answer that is given beside a batch.
_TURN: Final = 0.001


def install(app: FastAPI, settings: Settings) -> None:
    """Add `POST /v1/risk`, `app.state.models` and `app.state.scoring`; `app.state.closers` must be there."""
    app.state.models = ModelHolder(
        Registry(settings.models_folder()), settings.index_folder(), recheck_seconds=settings.recheck_seconds
    )
    app.state.scoring = WorkPool(settings.scoring_threads, settings.scoring_queue)
    app.state.closers += [app.state.models.close, app.state.scoring.close]
    app.include_router(risk.router)


def begin(app: FastAPI) -> None:
    """When the service starts: load what is in use, and let threads take short turns."""
    app.state.models.on_change = _leave_alone
    sys.setswitchinterval(min(_TURN, sys.getswitchinterval()))
    app.state.models.begin()


def _leave_alone() -> None:
    """Take what is loaded out of what the collector looks through: models are hundreds of thousands of objects that
    stay, and looking through them stops every thread for a tenth of a second, again and again while batches are scored.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
