"""What the benchmarks share: a throw-away installation, what they ran on, what a process used, whether a target was met."""

import os
import platform
import secrets
import sqlite3
import statistics
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
STEAL = 8  # the column of /proc/stat with the time that the hypervisor gave to other machines


def start_django(folder: Path | None, *, demo: str = "", queue_at_once: bool = False, **names: str) -> None:
    """Django over a new database and lake in `folder`, its tables straight from the models, for this process and its children.

    `demo` is the address of a running demo org; `names` are further environment variables, or others for the usual ones. With
    None everything stands in the environment already, and no tables are made. `queue_at_once`: nothing is left to a worker.
    """
    if folder is not None:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "project.settings", "SECRET_KEY": secrets.token_urlsafe(60), "CAUSEWAY_DATA": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}", "LAKE_URL": f"file://{folder / 'lake'}",
            "LAKE_ENGINE_URL": "duckdb://", "BASE_URL": "http://127.0.0.1:8000", "LOG_LEVEL": "ERROR",
            "FIELD_ENCRYPTION_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "DEMO_MODE": "yes", "DEMO_ORG_URL": demo,
        } | names  # fmt: skip
    import django
    from django.conf import settings

    settings.Q_CLUSTER["sync"] = queue_at_once  # read when django-q2 is loaded
    django.setup()
    if folder is not None:
        make_tables()


def make_tables() -> None:
    """Every table, as the models say."""
    from django.apps import apps
    from django.conf import settings
    from django.core.management import call_command

    settings.MIGRATION_MODULES = dict.fromkeys(each.label for each in apps.get_app_configs())
    with redirect_stdout(sys.stderr):
        call_command("migrate", run_syncdb=True, verbosity=0)
        call_command("createcachetable", verbosity=0)


@dataclass
class Usage:
    """What a stretch of work took: seconds by the clock on the wall, processor seconds, share of stolen time."""

    seconds: float = 0.0
    processor: float = 0.0
    stolen: float = 0.0


@dataclass
class Board:
    """The figures of one benchmark, printed as they come; `verdict` at the end."""

    missed: list[str] = field(default_factory=list)
    measured: int = 0
    seen: dict[str, float] = field(default_factory=dict)
    """Seconds by a name of the script's own, for its last lines."""

    def rate(self, name: str, rows: int, used: Usage, *, target: float = 0, extra: str = "") -> None:
        """Records a second; `target` is the least that is wanted (0 = none)."""
        figure = rows / used.seconds
        busy = f"{rows / used.processor:>10,.0f} per cpu s" if used.processor else ""
        line = f"{name:34} {figure:>10,.0f} records/s {used.seconds:8.2f} s  {busy}  steal {used.stolen:4.0%}{extra}"
        print(line + self._judge(name, figure / target if target else None, f"{target:,.0f} records/s"), flush=True)

    def answer(self, name: str, times: list[float], *, target: float) -> None:
        """Seconds of an answer (the middle one of several); `target` is the most that is wanted."""
        figure = statistics.median(times)
        line = f"{name:34} {figure:>10.3f} s (slowest {max(times):.3f} s of {len(times)})"
        print(line + self._judge(name, target / figure, f"{target:g} s"), flush=True)

    def _judge(self, name: str, ratio: float | None, target: str) -> str:
        if ratio is None:
            return ""
        self.measured += 1
        if ratio < 1:
            self.missed.append(f"{name} ({ratio:.2f} of the target)")
        return f"  target {target}, ratio {ratio:.2f}: {'met' if ratio >= 1 else 'MISSED'}"

    def verdict(self) -> str:
        """The last line."""
        if self.missed:
            return f"MISSED {len(self.missed)} of {self.measured} targets: {'; '.join(self.missed)}"
        return f"All {self.measured} targets met"


@contextmanager
def measuring(pid: int | None = None) -> Iterator[Usage]:
    """Measure what happens inside; processor time is that of process `pid` (None = this one)."""
    used = Usage()
    busy, (stolen, everything), begun = processor_seconds(pid), machine_ticks(), time.perf_counter()
    yield used
    used.seconds, used.processor = time.perf_counter() - begun, processor_seconds(pid) - busy
    later = machine_ticks()
    used.stolen = (later[0] - stolen) / max(later[1] - everything, 1)


def processor_seconds(pid: int | None) -> float:
    """Processor time of a process so far, user and system; 0 where the system does not tell."""
    if pid is None:
        return time.process_time()
    text = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(text[11]) + int(text[12])) / TICKS if text else 0.0


def machine_ticks() -> tuple[int, int]:
    """Stolen and all ticks of the machine so far."""
    first = _read("/proc/stat").partition("\n")[0].split()
    return (int(first[STEAL]), sum(map(int, first[1:9]))) if len(first) > STEAL else (0, 0)


def memory_of(pid: int | None) -> str:
    """Peak and present memory of a process (None = this one)."""
    facts = dict(line.split(":", 1) for line in _read(f"/proc/{pid or 'self'}/status").splitlines() if ":" in line)
    if "VmHWM" not in facts:
        return "memory: not known on this system"
    peak, now = (int(facts[name].split()[0]) // 1024 for name in ("VmHWM", "VmRSS"))
    return f"memory: peak {peak:,} MB, now {now:,} MB"


def child_pid() -> int | None:
    """The only child process of this one."""
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _read(str(folder / "stat")).rpartition(")")[2].split()
        if fields and fields[1] == str(os.getpid()):
            return int(folder.name)
    return None


def machine() -> str:
    """What it ran on."""
    lines = _read("/proc/cpuinfo").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    memory = next((line.split()[1] for line in _read("/proc/meminfo").splitlines() if line.startswith("MemTotal")), "0")
    return (
        f"{model}, {os.cpu_count()} cores, {int(memory) // 1_048_576} GB, {load()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def load() -> str:
    """How busy the machine is."""
    return "load " + ", ".join(f"{each:.1f}" for each in os.getloadavg())


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
