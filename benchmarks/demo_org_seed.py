"""How quick a new demo org is filled.

Run: `python benchmarks/demo_org_seed.py [ACCOUNTS]` (default 16,500, which makes about a million records). Wants 50,000
records/s, and less than a second for the 200 accounts of the tests.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import Board, load, machine, measuring, memory_of
from integrations.demo_org.opening import load_catalogue
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.seed import build

WANT_RATE, WANT_SECONDS_SMALL = 50_000, 1.0
SMALL = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("accounts", nargs="?", type=int, default=16_500)
    accounts = parser.parse_args().accounts
    print(f"{accounts:,} accounts and what hangs on them; {machine()}", flush=True)
    board, catalogue = Board(), tuple(load_catalogue())
    for size in (SMALL, accounts):
        with tempfile.TemporaryDirectory() as folder:
            org = DemoOrg(Path(folder), objects=catalogue)
            with measuring() as used:
                rows = build(org, size=size, seed=1)
            org.close()
        if size == SMALL:
            board.answer(f"seed {SMALL} accounts ({rows:,} records)", [used.seconds], target=WANT_SECONDS_SMALL)
        else:
            board.rate(f"seed {rows:,} records", rows, used, target=WANT_RATE)
    print(memory_of(None))
    print(f"At the end: {load()}. {board.verdict()}")


if __name__ == "__main__":
    main()
