"""L-12: 1,000 runs of every scheduled job in four hours, with one request in a hundred of Salesforce's answers broken.

A demonstration with a real worker. Runs are asked for evenly over the time, in random order; faults of all kinds (500, 503 with
Retry-After, a cut body, no answer, an ended session, a locked row, a slow answer) hit requests at random. Afterwards the faults
stop and everything must come to rest: every finished run adds up and the audit trail holds (I-01, I-12, I-24), no run and no
lease is left, the mirror equals the org after at most one reconciliation (I-05), and memory and open files of the worker are
what they were.

Run: `python benchmarks/soak.py [--minutes 240] [--runs 1000] [--faults 0.01]`. Everything is thrown away.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.house import House, enter, files_of_tree, furnish, make_keys, memory_of_tree, set_up, wait_for, working  # noqa: E402
from benchmarks.measuring import machine  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import DemoOrgHandle, running_demo_org  # noqa: E402

FULL_MINUTES = 240
KINDS: tuple[dict[str, Any], ...] = (
    {"status": 500, "body": "[]"}, {"status": 503, "headers": {"Retry-After": "1"}}, {"status": 0, "cut": 20},
    {"action": "close"}, {"action": "expire_token"}, {"action": "lock_row"}, {"status": 0, "delay": 2.0},
)  # fmt: skip
MOST_GROWTH, FILES_GROWTH = 1.10, 1.10


@dataclass
class Watch:
    """What was seen of the worker while it worked, and what was done to it."""

    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    faults: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    def growth(self, values: "list[float] | list[int]") -> float:
        """The last quarter against the second one: the first is the warming-up."""
        quarter = max(len(values) // 4, 1)
        before = statistics.fmean(values[quarter : 2 * quarter] or values)
        return statistics.fmean(values[-quarter:]) / before if before else 1.0


def main() -> int:
    """Soak; 1 when something leaks, sticks or lies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=FULL_MINUTES)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--faults", type=float, default=0.01, help="share of requests that go wrong")
    parser.add_argument(
        "--world", choices=("demo", "small"), default="demo", help="the demonstration, or mappings and key results"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    make_keys()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="causeway-soak-") as folder, running_demo_org(Path(folder) / "org") as demo:
        small = options.world == "small"
        place = furnish(Path(folder) / "house", demo) if small else House(Path(folder) / "house", DEMO_ORG_URL=demo.url)
        if small:
            set_up(place)
        with working(place) as pid:
            if not small:
                place.manage("fill_demo")
            enter(place)
            watch = soak(options, demo, pid)
            found = come_to_rest(demo)
        return judge(options, watch, found)


def soak(options: argparse.Namespace, demo: DemoOrgHandle, pid: int) -> Watch:
    """Ask for runs and break answers until the time is over."""
    from django.utils import timezone

    from integrations.sync import runs
    from project.timetable import timetable

    chance, watch = random.Random(options.seed), Watch()
    jobs = [slot.job for slot in timetable() if slot.job]
    begun, pause = time.monotonic(), options.minutes * 60 / options.runs
    for number in range(options.runs):
        job = jobs[number % len(jobs)] if number < len(jobs) else chance.choice(jobs)
        watch.asked[job] += 1
        runs.start_slot(job, now=timezone.now())
        watch.faults += break_something(demo, chance, options.faults)
        watch.memory.append(memory_of_tree(pid))
        watch.files.append(files_of_tree(pid))
        time.sleep(max(0.0, begun + (number + 1) * pause - time.monotonic()))
    return watch


def break_something(demo: DemoOrgHandle, chance: random.Random, share: float) -> int:
    """Keep faults waiting, each for the request after as many good ones as chance says; how many were ordered."""
    waiting = demo.control("faults") if share else []
    waiting = waiting if isinstance(waiting, list) else waiting.get("faults", [])
    if not share or waiting:
        return 0
    kind = dict(chance.choice(KINDS))
    after = int(chance.expovariate(share))
    if kind.get("action") == "lock_row":
        demo.control("faults", {"times": 1, **kind})
    else:
        demo.control("faults", {"match": {"path": "/services/"}, "times": 1, "after": after, **kind})
    return 1


def come_to_rest(demo: DemoOrgHandle) -> dict[str, Any]:
    """No more faults: wait for the runs, reconcile twice, and look at everything."""
    from django.db.models import Sum
    from django.utils import timezone

    from integrations import audit
    from integrations.models import Lease, Run, RunObject, SalesforceOrg
    from integrations.sync import runs, verifying

    demo.no_faults()
    wait_for(lambda: not Run.objects.filter(state__in=Run.ACTIVE, not_before=None).exists(), seconds=900)
    repairs = []
    for _ in range(2):
        asked = [runs.request_run("mirror.reconcile", org=org, arguments={"ids": True}, now=timezone.now()).pk
                 for org in SalesforceOrg.objects.all()]  # fmt: skip
        wait_for(lambda asked=asked: not Run.objects.filter(pk__in=asked, state__in=Run.ACTIVE).exists(), seconds=900)
        objects = RunObject.objects.filter(run_id__in=asked)
        repairs.append(objects.aggregate(n=Sum("written", default=0))["n"])
    later = timezone.now()
    wait_for(lambda: not Run.objects.filter(state="running").exists(), seconds=600)
    return {
        "states": Counter(Run.objects.values_list("state", flat=True)), "repairs": repairs,
        "reasons": Counter(Run.objects.filter(state="failed").values_list("job", "reason_code")),
        "breaches": [str(each) for each in verifying.breaches()], "trail": audit.verify().holds,
        "leases": Lease.objects.filter(expires_at__gt=later).exclude(holder="").count(),
        "stuck": Run.objects.filter(state="running").count(),
    }  # fmt: skip


def judge(options: argparse.Namespace, watch: Watch, found: dict[str, Any]) -> int:
    """Print and decide."""
    memory, files = watch.growth(watch.memory), watch.growth(watch.files)
    print(f"  runs by state: {dict(found['states'])}; failed for: {dict(found['reasons'])}; rows repaired: {found['repairs']}")
    for each in found["breaches"][:10]:
        print(f"  {each}")
    good = not found["breaches"] and found["trail"] and not found["leases"] and not found["stuck"] and not found["repairs"][1]
    lasting = options.minutes >= FULL_MINUTES / 4  # shorter ones end before the worker is warm
    level = memory <= MOST_GROWTH and files <= FILES_GROWTH
    said = (
        f"{sum(found['states'].values())} runs in {options.minutes:g} min, {watch.faults} faults, "
        f"{len(found['breaches'])} breaches, "
        f"audit {'holds' if found['trail'] else 'BROKEN'}, {found['leases']} leases and {found['stuck']} runs stuck, second "
        f"reconciliation repaired {found['repairs'][1]}, RSS x{memory:.2f}, open files x{files:.2f}"
    )
    verdicts = Verdicts("soak.py")
    verdicts.add("L-12", said, met=(good and level) if lasting else (None if good else False))
    return verdicts.close()


if __name__ == "__main__":
    sys.exit(main())
