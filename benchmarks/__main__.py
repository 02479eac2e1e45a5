"""`python -m benchmarks`: the load targets and the scripts that answer them. `python -m benchmarks L-10 [--small]` runs one,
`all` every one.

Without a size the script runs at the size of the target, which takes minutes to hours; `--small` shows that it works.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from benchmarks.targets import TARGETS, Target  # noqa: E402


def main() -> int:
    """List or run; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("ids", nargs="*", help="L-01 to L-14, or all")
    parser.add_argument("--small", action="store_true", help="the smallest size that still runs everything")
    options = parser.parse_args()
    if not options.ids:
        for target in TARGETS:
            print(f"{target.id}  {command_of(target, small=options.small):70} {target.wanted}")
        return 0
    known = {target.id: target for target in TARGETS}
    wanted = list(known) if options.ids == ["all"] else options.ids
    if unknown := [each for each in wanted if each not in known]:
        parser.error(f"unknown: {', '.join(unknown)}")
    commands = dict.fromkeys(command_of(known[each], small=options.small) for each in wanted)  # one script may answer several
    return max(run(command) for command in commands)


def command_of(target: Target, *, small: bool) -> str:
    """What is typed to measure a target."""
    return f"python benchmarks/{target.script} {target.small if small else target.full}".strip()


def run(command: str) -> int:
    """One script, in a process of its own."""
    print(f"$ {command}", flush=True)
    words = shlex.split(command)
    return min(subprocess.run([sys.executable, *words[1:]], cwd=FOLDER.parent, check=False).returncode, 1)


if __name__ == "__main__":
    sys.exit(main())
