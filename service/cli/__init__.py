"""The command `heed`. Each subcommand lives in a module of its own, imported when it is asked for (`_on_demand`).

Exit codes: 0 fine, 1 failed, 2 wrong use, 3 refused by the boundary.
"""

from __future__ import annotations

import json
import sys

from data.errors import HeedError
from service.cli._app import app, state

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; an error of ours becomes one message on stderr and an exit code."""
    try:
        app()
    except HeedError as error:
        print(_told(error), file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough.
        sys.stderr.close()
        sys.exit(0)


def _told(error: HeedError) -> str:
    if state.json:
        return json.dumps(
            {"error": type(error).__name__, "title": error.title, "detail": str(error)}, ensure_ascii=False
        )
    return f"heed: {error.title}\n{error}"
