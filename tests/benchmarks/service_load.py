"""What a request costs: `python -m tests.benchmarks.service_load [--quick] [--city FOLDER] [--json]`.

The service on a simulated city, and beside it a bare FastAPI application that returns the same bytes and does nothing
for them. Both are asked by wrk (https://github.com/wg/wrk) over loopback in turns, so that whatever else the machine
does falls on both; what is told of each workload is the median of its turns. CPU is that of the server's process, user
and system, for each answer; `ratio` is the service's over the bare application's.

Without `--city` a city is made first (`heed demo`), which takes minutes. Switched off are the limit of requests per
minute and the log line of each request, which the bare application does not write either; everything else is as it
comes. Cases that are posted rotate: 200 different ones, one by one, scored as of the newest scoring, so that what is
kept for each is there from the second round on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import pandas as pd
from fastapi import FastAPI, Request, Response

from tests.benchmarks.machine import machine

REPOSITORY: Final = Path(__file__).parents[2]
_ROTATED: Final = 200
_MANY: Final = 1_000
_JSON: Final = {"Content-Type": "application/json"}
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Workload:
    """What is asked again and again: an address, or bodies in turn, over so many connections."""

    name: str
    path: str
    bodies: Path | None = None
    etag: bool = False
    connections: int = 4


@dataclass(frozen=True)
class Turn:
    """One turn of wrk: answers per second, milliseconds, CPU milliseconds per answer, and answers that failed."""

    per_second: float
    p50: float
    p99: float
    cpu: float
    failed: int


def main() -> None:
    """Print what was measured."""
    given = _arguments()
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("This benchmark asks by wrk, and there is none on the path. Install it (Debian: apt install wrk).")
    with tempfile.TemporaryDirectory(prefix="heed-load-") as work:
        city = given.city or _city(Path(work))
        found = measure(wrk, city, Path(work), turns=2 if given.quick else 5, seconds=2 if given.quick else 5)
    if given.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    _print(found)


def measure(wrk: str, city: Path, work: Path, *, turns: int, seconds: int) -> dict[str, Any]:
    """Every workload on both, and how long others wait while batches are scored."""
    cases = posted_cases(city)
    with _served("heed", str(city)) as heed:
        workloads = _workloads(work, cases)
        pages = {each.name: _answer(heed.port, each) for each in workloads}
        answers = work / "answers.json"
        answers.write_text(json.dumps([_kept(each, *pages[each.name]) for each in workloads]), encoding="utf-8")
        with _served("bare", str(answers)) as bare:
            table = [_compared(wrk, work, each, pages[each.name], heed, bare, turns, seconds) for each in workloads]
        waits = _waits(wrk, work, workloads[-1], heed, seconds)
    return {"machine": machine(), "cases": len(cases), "workloads": table, "others": waits}


def posted_cases(city: Path) -> list[dict[str, Any]]:
    """The open cases of a city's newest scoring as they would be posted."""
    from data.store import Store

    with Store.open(f"sqlite:///{city / 'city.db'}") as store:
        risks = store.read_risks()
        events = store.read_events(as_of=int(risks["as_of"].iloc[0]))
    events = events[events["case_id"].isin(risks["case_id"])]
    found: dict[str, dict[str, Any]] = {}
    for row in events.to_dict("records"):
        found.setdefault(str(row["case_id"]), {"events": []})["events"].append(_event(row))
    return list(found.values())


def _event(row: dict[Any, Any]) -> dict[str, Any]:
    moments = {name: _moment(row[name]) for name in ("at", "known_at", "due_at") if not pd.isna(row[name])}
    names = ("category", "category_group", "area", "channel", "office")
    return {"kind": row["kind"], **moments, **{name: row[name] for name in names if not pd.isna(row[name])}}


def _moment(ts: Any) -> str:
    return datetime.fromtimestamp(int(ts), UTC).isoformat()


def _workloads(work: Path, cases: list[dict[str, Any]]) -> list[Workload]:
    one = [{"cases": [case]} for case in cases[:_ROTATED]]
    many = [{"cases": cases[start : start + _MANY]} for start in range(0, 2 * _MANY, _MANY)]
    bodies: dict[str, list[dict[str, Any]]] = {
        "one": one,
        "reasons": [{**body, "reasons": True} for body in one],
        "many": [body for body in many if len(body["cases"]) == _MANY] or [{"cases": cases}],
        "many_reasons": [{"cases": cases[:100], "reasons": True}],
    }
    files = {}
    for name, posted in bodies.items():
        files[name] = work / f"{name}.jsonl"
        files[name].write_text("".join(json.dumps(body) + "\n" for body in posted), encoding="utf-8")
    return [
        Workload("GET /v1/areas, 304", "/v1/areas", etag=True),
        Workload("GET /v1/areas, 200", "/v1/areas"),
        Workload("GET /v1/cases", "/v1/cases?limit=50"),
        Workload("POST /v1/risk, one case", "/v1/risk", files["one"]),
        Workload("POST /v1/risk, one, reasons", "/v1/risk", files["reasons"], connections=2),
        Workload("POST /v1/risk, 1,000 cases", "/v1/risk", files["many"], connections=1),
        Workload("POST /v1/risk, 100, reasons", "/v1/risk", files["many_reasons"], connections=1),
    ]


# ---- servers ----


@dataclass(frozen=True)
class _Server:
    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time so far, of the process and its children that ended."""
        text = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(int(ticks) for ticks in text[11:15]) / _TICKS


@contextmanager
def _served(kind: str, what: str) -> Iterator[_Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.benchmarks.service_load", "--serve", kind, what, str(port)]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        _await(port, process, "/health/live")
        if kind == "heed":
            _await(port, process, "/v1/areas")
        yield _Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _await(port: int, process: subprocess.Popen[bytes], path: str) -> None:
    for _attempt in range(600):
        if process.poll() is not None:
            sys.exit(f"A server of the benchmark ended ({process.returncode}).")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("A server of the benchmark did not answer within a minute.")


def _serve(kind: str, what: str, port: int) -> None:
    import uvicorn

    if kind == "bare":
        uvicorn.run(_bare(Path(what)), port=port, log_level="warning", access_log=False, server_header=False)
        return
    from service.cli.serve import run
    from service.settings import Settings

    # As `heed serve` does it.
    run(
        Settings.read(
            store_url=f"sqlite:///{Path(what) / 'city.db'}", port=port, rate_per_minute=0, log_level="warning"
        )
    )


def _bare(answers: Path) -> FastAPI:
    """An application that has its answers ready."""
    app = FastAPI()

    def route(number: int, body: bytes, etag: str) -> None:
        async def get(request: Request) -> Response:
            if request.headers.get("if-none-match") == etag:
                return Response(status_code=304, headers={"ETag": etag})
            return Response(body, media_type="application/json", headers={"ETag": etag})

        async def post(request: Request) -> Response:
            await request.body()
            return Response(body, media_type="application/json")

        app.get(f"/bare/{number}")(get)
        app.post(f"/bare/{number}")(post)

    for number, kept in enumerate(json.loads(answers.read_text(encoding="utf-8"))):
        route(number, kept["body"].encode(), kept["etag"])
    app.get("/health/live")(_lives)
    return app


async def _lives() -> dict[str, str]:
    return {"status": "ok"}


# ---- asking ----


def _answer(port: int, workload: Workload) -> tuple[bytes, str]:
    """The body and the tag of the first answer to a workload."""
    data = None if workload.bodies is None else workload.bodies.read_bytes().splitlines()[0]
    headers = _JSON if data else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{workload.path}", data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - our own server
        return answer.read(), answer.headers.get("ETag", "")


def _kept(workload: Workload, body: bytes, etag: str) -> dict[str, str]:
    return {"name": workload.name, "body": body.decode(), "etag": etag}


def _compared(
    wrk: str,
    work: Path,
    workload: Workload,
    page: tuple[bytes, str],
    heed: _Server,
    bare: _Server,
    turns: int,
    seconds: int,
) -> dict[str, Any]:
    number = json.loads((work / "answers.json").read_text(encoding="utf-8"))
    path = f"/bare/{next(place for place, kept in enumerate(number) if kept['name'] == workload.name)}"
    script = _script(work, workload, page[1])
    # Pages are read and numbers kept before anything is counted, and what that took is told by itself.
    first = _first_time(heed, workload)
    _turn(wrk, script, workload, heed, workload.path, 1)
    _turn(wrk, script, workload, bare, path, 1)
    found: dict[str, list[Turn]] = {"heed": [], "bare": []}
    for _ in range(turns):
        found["heed"].append(_turn(wrk, script, workload, heed, workload.path, seconds))
        found["bare"].append(_turn(wrk, script, workload, bare, path, seconds))
    told: dict[str, Any] = {"name": workload.name, "bytes": len(page[0]), "first_cpu": first}
    for name, measured in found.items():
        told[name] = {
            figure: round(median(getattr(turn, figure) for turn in measured), 4)
            for figure in ("per_second", "p50", "p99", "cpu")
        } | {"failed": sum(turn.failed for turn in measured)}
    told["ratio_cpu"] = round(told["heed"]["cpu"] / told["bare"]["cpu"], 2)
    told["ratio_p50"] = round(told["heed"]["p50"] / told["bare"]["p50"], 2)
    return told


def _first_time(heed: _Server, workload: Workload) -> float | None:
    """CPU milliseconds of each body when it comes for the first time; None without bodies."""
    if workload.bodies is None:
        return None
    bodies = workload.bodies.read_bytes().splitlines()
    before = heed.cpu_seconds()
    for body in bodies:
        asked = urllib.request.Request(f"http://127.0.0.1:{heed.port}{workload.path}", data=body, headers=_JSON)
        with urllib.request.urlopen(asked, timeout=300) as answer:  # noqa: S310 - our own server
            answer.read()
    return round(1e3 * (heed.cpu_seconds() - before) / len(bodies), 2)


def _script(work: Path, workload: Workload, etag: str) -> Path:
    """What wrk runs: the header of a poll, or the bodies in turn; at the end, figures as one line of JSON."""
    lines: list[str] = []
    if workload.bodies is not None:
        lines += [
            "local bodies, at = {}, 0",
            f"for line in io.lines('{workload.bodies}') do bodies[#bodies + 1] = line end",
            "local headers = {['Content-Type'] = 'application/json'}",
            "request = function() at = at % #bodies + 1; return wrk.format('POST', nil, headers, bodies[at]) end",
        ]
    elif workload.etag:
        lines.append(f"wrk.headers['If-None-Match'] = '{etag}'")
    lines.append(
        "done = function(summary, latency, requests)\n"
        "  local e = summary.errors\n"
        "  print(string.format('FIGURES %d %d %d %d %d', summary.requests, summary.duration,"
        " latency:percentile(50), latency:percentile(99),"
        " e.connect + e.read + e.write + e.status + e.timeout))\n"
        "end"
    )
    file = work / f"{re.sub(r'[^a-z0-9]+', '-', workload.name.lower())}.lua"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _turn(wrk: str, script: Path, workload: Workload, server: _Server, path: str, seconds: int) -> Turn:
    before = server.cpu_seconds()
    with _wrk(wrk, script, workload.connections, server.port, path, seconds) as process:
        text, _ = process.communicate()
    used = server.cpu_seconds() - before
    answers, micros, p50, p99, failed = _figures(text)
    return Turn(1e6 * answers / micros, p50 / 1e3, p99 / 1e3, 1e3 * used / max(answers, 1), failed)


def _wrk(wrk: str, script: Path, connections: int, port: int, path: str, seconds: int) -> subprocess.Popen[str]:
    asked = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "120s", "-s", str(script)]
    return subprocess.Popen([*asked, f"http://127.0.0.1:{port}{path}"], stdout=subprocess.PIPE, text=True)


def _figures(text: str) -> tuple[int, int, int, int, int]:
    found = re.search(r"FIGURES (\d+) (\d+) (\d+) (\d+) (\d+)", text)
    if found is None:
        sys.exit(f"wrk told no figures:\n{text}")
    answers, micros, p50, p99, failed = (int(figure) for figure in found.groups())
    return answers, micros, p50, p99, failed


def _waits(wrk: str, work: Path, busy: Workload, heed: _Server, seconds: int) -> dict[str, Any]:
    """How long `/health/live` takes, alone and while batches with reasons are scored."""
    live = Workload("GET /health/live", "/health/live", connections=1)
    script = _script(work, live, "")
    alone = _turn(wrk, script, live, heed, live.path, seconds)
    with _wrk(wrk, _script(work, busy, ""), 2, heed.port, busy.path, seconds + 2) as batches:
        time.sleep(1)
        beside = _turn(wrk, script, live, heed, live.path, seconds)
        batches.communicate()
    return {"alone": {"p50": alone.p50, "p99": alone.p99}, "beside batches": {"p50": beside.p50, "p99": beside.p99}}


# ---- around ----


def _city(work: Path) -> Path:
    folder = work / "city"
    command = [
        sys.executable,
        "-c",
        "from service.cli import main; main()",
        "demo",
        "--no-serve",
        "--json",
        "--dir",
        str(folder),
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    return folder


def _print(found: dict[str, Any]) -> None:
    write = sys.stdout.write
    write(f"{found['machine']}\n{found['cases']:,} open cases\n\n")
    write(f"{'':30}{'per s':>16}{'p50 ms':>18}{'p99 ms':>18}{'CPU ms':>18}{'ratio':>14}{'failed':>8}\n")
    write(f"{'':30}" + f"{'heed':>9}{'bare':>9}" * 4 + f"{'CPU':>7}{'p50':>6}\n")
    for each in found["workloads"]:
        heed, bare = each["heed"], each["bare"]
        figures = "".join(f"{heed[name]:9,.3g}{bare[name]:9,.3g}" for name in ("per_second", "p50", "p99", "cpu"))
        write(f"{each['name']:30}{figures}{each['ratio_cpu']:7.2f}{each['ratio_p50']:6.2f}{heed['failed']:8}\n")
    for each in found["workloads"]:
        if each["first_cpu"] is not None:
            write(f"{each['name']}, each for the first time: {each['first_cpu']} CPU ms\n")
    for name, figures in found["others"].items():
        write(f"GET /health/live {name:18} p50 {figures['p50']:.2f} ms, p99 {figures['p99']:.2f} ms\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--city", type=Path, help="a folder that `heed demo --no-serve --dir` made")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
