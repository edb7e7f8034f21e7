"""Writers of a registry in processes of their own, killed at every step or set against each other.

`python -m tests.support.registry_kills FOLDER` forks them from one process that has loaded everything already, and
prints what it found as JSON. Killed means SIGKILL: nothing is tidied up.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.errors import ModelError
from models.registry import CHAMPION, Registry
from models.registry.manifest import version_of
from models.registry.verify import verify


def model(number: int) -> dict[str, bytes]:
    """A small bundle; every number is another version."""
    tree = f"tree {number}\n".encode() * 2000
    return {"card.json": b"{}", "late/booster.txt": tree, "late/model.json": b'{"features": []}'}


def forked(work: Callable[[], int]) -> int:
    """Run work in a child; its exit code, or -9 where it was killed."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work()
        except BaseException:  # a child of a fork must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def dying_at(step: int) -> None:
    """Make this process kill itself when it is about to do its n-th change of the disk."""
    left = [step]

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        return call

    for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "truncate"):
        setattr(os, name, watched(getattr(os, name)))
    for name in ("rename", "replace", "mkdir", "unlink", "open"):
        setattr(Path, name, watched(getattr(Path, name)))


def whole(registry: Registry) -> list[str]:
    """What is wrong with a registry; empty where nothing is."""
    return [one.problem for one in verify(registry) if one.problem is not None]


def at_every_step(folder: Path, work: Callable[[Registry], None], after: Callable[[Registry], bool]) -> dict[str, Any]:
    """Kill work at its first step, its second, … until it gets through; what was wrong after any of them."""
    wrong: list[str] = []
    for step in range(1, 200):
        registry = Registry(folder / f"{step:03d}")
        prepared(registry)

        def child(registry: Registry = registry, step: int = step) -> int:
            dying_at(step)
            work(registry)
            return 0

        code = forked(child)
        wrong += [f"step {step}: {problem}" for problem in whole(registry)]
        if not after(registry):
            wrong.append(f"step {step}: neither before nor after")
        # The next writer finds nothing in its way, and leaves nothing of the killed one.
        work(registry)
        if list(registry.folder.glob(".new-*")) or whole(registry) or not after(registry):
            wrong.append(f"step {step}: not mended")
        if code == 0:
            return {"steps": step - 1, "wrong": wrong}
    return {"steps": -1, "wrong": wrong}


def prepared(registry: Registry) -> None:
    """Two versions, the first in use."""
    first = registry.save("failures", model(1))
    registry.save("failures", model(2))
    registry.promote("failures", first)


def saved(registry: Registry) -> None:
    registry.save("failures", model(3))


def promoted(registry: Registry) -> None:
    registry.promote("failures", _version(2), reason="test")


def pruned(registry: Registry) -> None:
    registry.prune(keep=0)


def _version(number: int) -> str:
    return version_of("failures", model(number))


def told_as_it_is(registry: Registry) -> bool:
    """The champion is the old or the new one, and the history's last promotion is the one in force."""
    told = [entry for entry in registry.history() if entry.alias == CHAMPION]
    return registry.champion("failures") in (_version(1), _version(2)) and (
        told[-1].version == registry.champion("failures")
    )


def champion_is_there(registry: Registry) -> bool:
    return registry.champion("failures") in registry.versions()


def at_random(folder: Path, kills: int) -> dict[str, Any]:
    """Kill a busy writer after random times; what was wrong after any."""
    chance = random.Random(1)  # noqa: S311 — moments of kills, no secret
    registry = Registry(folder)
    prepared(registry)
    wrong: list[str] = []
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            _busy(registry)
        time.sleep(chance.uniform(0.001, 0.08))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        wrong += whole(registry)
    registry.save("failures", model(0))
    return {"wrong": wrong + whole(registry), "left": [path.name for path in folder.glob(".new-*")]}


def _busy(registry: Registry) -> None:
    for number in range(10_000):
        version = registry.save("failures", model(number % 7))
        registry.promote("failures", version)
        registry.prune(keep=1)
    os._exit(0)


def against_each_other(folder: Path, writers: int) -> dict[str, Any]:
    """Several processes promote at once, all expecting the same champion; how many succeeded."""
    registry = Registry(folder)
    prepared(registry)
    first = _version(1)
    others = [registry.save("failures", model(100 + n)) for n in range(writers)]
    gate, opened = os.pipe()
    children = []
    for version in others:
        child = os.fork()
        if child == 0:
            os.close(opened)
            os.read(gate, 1)  # until the parent closes its end
            try:
                registry.promote("failures", version, expected=first)
                os._exit(0)
            except ModelError:
                os._exit(1)
        children.append(child)
    os.close(opened)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    promoted_ = [entry for entry in registry.history() if entry.before == first]
    return {"succeeded": codes.count(0), "refused": codes.count(1), "told": len(promoted_), "wrong": whole(registry)}


def saving_together(folder: Path, writers: int) -> dict[str, Any]:
    """Several processes save the same and different versions at once."""
    registry = Registry(folder)
    children = []
    for n in range(writers):
        child = os.fork()
        if child == 0:
            for number in (0, n):
                registry.save("failures", model(number))
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return {"codes": codes, "versions": len(registry.versions()), "wrong": whole(registry)}


def on_a_full_disk(folder: Path) -> dict[str, Any]:
    """A real write that the system cuts off: no file may grow beyond a limit."""
    registry = Registry(folder)
    prepared(registry)

    def child() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            registry.save("failures", model(9))
        except ModelError as error:
            return 1 if "could not be written" in str(error) else 2
        return 0

    before = registry.versions()
    code = forked(child)
    left = [path.name for path in folder.glob(".new-*")]
    return {"code": code, "same": registry.versions() == before, "left": left, "wrong": whole(registry)}


def main(folder: Path) -> None:
    """Everything, as JSON."""
    found = {
        "save": at_every_step(folder / "save", saved, champion_is_there),
        "promote": at_every_step(folder / "promote", promoted, told_as_it_is),
        "prune": at_every_step(folder / "prune", pruned, champion_is_there),
        "random": at_random(folder / "random", 20),
        "race": [against_each_other(folder / f"race-{n}", 6) for n in range(3)],
        "together": saving_together(folder / "together", 5),
        "full": on_a_full_disk(folder / "full"),
    }
    print(json.dumps(found))  # noqa: T201 — the parent reads it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
