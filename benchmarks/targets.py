"""The load targets L-01 to L-14: which script answers which, how it is started at full and at small size, and the last lines.

Every script ends with one line for each of its targets: what is wanted, what was measured, and the verdict.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """One load target: `full` and `small` are the arguments of its script."""

    id: str
    script: str
    wanted: str
    full: str = ""
    small: str = ""


TARGETS = (
    Target("L-01", "pull.py", "1,000,000 rows in 15 min (1,100 rows/s), 512 MB",
           "--rows 1000000 --slow 0", "--rows 4000 --slow 0"),
    Target("L-02", "pull.py", "a day's 2 % of 100,000 accounts in 60 s, 30 calls",
           "--rows 100000 --slow 0", "--rows 4000 --slow 0"),
    Target("L-03", "push.py", "100,000 changed rows in 5 min, 100 calls",
           "--rows 100000", "--rows 2000 --unchanged 4000"),
    Target("L-04", "push.py", "1,000,000 unchanged rows in 3 min, 0 sent, 5 calls",
           "--unchanged 1000000", "--rows 2000 --unchanged 4000"),
    Target("L-05", "kpi.py", "10,000,000 events in 10 min, a day in 60 s",
           "--events 10000000", "--events 60000 --people 2000 --rounds 1"),
    Target("L-06", "okr_refresh.py", "1,000 key results on 200 reports in 10 min, 200 report runs",
           "--links 1000 --reports 200 --sets 0", "--links 20 --reports 5 --sets 0"),
    Target("L-07", "provision.py", "p95 10 s, burst of 1,000 in 10 min, 0 doubles",
           "--single 200 --burst 1000", "--single 3 --burst 6 --poll 1 --clients 2"),
    Target("L-08", "entitlements.py", "p50 10 ms, p95 50 ms, p99 150 ms, 0 errors",
           "--steady 1800", "--customers 200 --seconds 2 --steady 3"),
    Target("L-09", "ingest.py", "p95 200 ms a batch of 500, nothing acknowledged lost",
           "--seconds 600 --rate 1000", "--seconds 12 --rate 1000"),
    Target("L-10", "pages.py", "p95 500 ms and 30 SQL queries a page",
           "--rows 1000000 --runs 100000", "--rows 2000 --runs 500 --rounds 2"),
    Target("L-11", "connections.py", "20 connections, 2 workers: starts within 15 min, a slow one delays none by 10 %",
           "--orgs 20", "--orgs 4 --seconds 0.05 --rounds 2 --reports 3"),
    Target("L-12", "soak.py", "1,000 runs, 1 % faults: 0 breaches, RSS +10 %, open files flat, 0 leases",
           "--minutes 240 --runs 1000", "--minutes 1 --runs 12 --world small"),
    Target("L-13", "recovery.py", "worker 5 min, database 60 s, queue 10 min, restore converged in 1 run",
           "", "--only restore"),
    Target("L-14", "day.py", "a day of all domains on 100,000 accounts in 2,000 calls",
           "--accounts 100000", "--accounts 400 --hours 2"),
)  # fmt: skip


def targets_of(script: str) -> dict[str, Target]:
    """The targets that a script answers, by id."""
    return {target.id: target for target in TARGETS if target.script == script}


@dataclass
class Verdicts:
    """What a script found out about its targets; printed at its end."""

    script: str
    lines: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def add(self, id: str, measured: str, *, met: bool | None, scaled: str = "") -> None:  # noqa: A002
        """One target. None = this run was too small to tell; `scaled` says how it compares with the full size."""
        verdict = "not judged at this size" if met is None else "met" if met else "MISSED"
        wanted = targets_of(self.script)[id].wanted
        self.lines.append(
            f"{id} | target: {wanted} | measured: {measured}{f' ({scaled})' if scaled else ''} | verdict: {verdict}"
        )
        if met is False:
            self.missed.append(id)

    def close(self) -> int:
        """Print every line, the last of the script; 1 when a target is missed."""
        for line in self.lines:
            print(line, flush=True)
        return 1 if self.missed else 0
