#!/usr/bin/env python3
"""Known vulnerabilities in the locked packages (S-097): fails on any, and says plainly when they could not be looked up.

The tool reports success when its database knows none of the packages (a mirror without vulnerability data) or cannot be
reached half-way, so its answer is read package by package. AUDIT_REQUIRED=yes makes a skipped audit a failure, for releases.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOOL = "pip-audit==2.10.1"
SECONDS = 600
OK, FOUND, SKIPPED = "ok", "found", "skipped"


def judge(output: str, errors: str) -> tuple[str, str]:
    """(ok, found or skipped, what to say) for the tool's JSON output and its standard error."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "no answer")
        return SKIPPED, f"the vulnerability database could not be asked ({reason[:200]})"
    looked_up = [each for each in packages if "skip_reason" not in each]
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    bad = [
        f"{each['name']} {each['version']}: {flaw['id']}, fixed in {', '.join(flaw.get('fix_versions') or ['no version yet'])}"
        for each in looked_up
        for flaw in each.get("vulns", [])
    ]
    if bad:
        return FOUND, "known vulnerabilities:\n  " + "\n  ".join(bad)
    if not looked_up:
        return SKIPPED, f"the database that can be reached from here knows none of the {len(packages)} packages"
    if unknown:
        return SKIPPED, f"{len(looked_up)} packages are clean, but {len(unknown)} are unknown there: {', '.join(unknown[:10])}"
    return OK, f"{len(looked_up)} packages, no known vulnerability"


def exit_code(verdict: str, *, required: bool) -> int:
    """1 for a finding, and for a skipped audit where one is required."""
    return 1 if verdict == FOUND or (verdict == SKIPPED and required) else 0


def ask(uv: str) -> tuple[str, str]:
    """Export the lock file with its hashes and run the tool on it; nothing is installed into the project."""
    with tempfile.TemporaryDirectory() as folder:
        locked = Path(folder) / "requirements.txt"
        export = [uv, "export", "--quiet", "--frozen", "--all-groups", "--no-emit-project", "--format", "requirements-txt"]
        export += ["--output-file", str(locked)]
        subprocess.run(export, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - our own words only
        command = [uv, "tool", "run", "--quiet", "--from", TOOL, "pip-audit", "--requirement", str(locked)]
        command += ["--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off", "--timeout", "15"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603
    return done.stdout, done.stderr


def main() -> int:
    """One line, or the list of findings."""
    uv = shutil.which("uv") or str(ROOT / ".bootstrap" / "bin" / "uv")
    try:
        verdict, words = judge(*ask(uv))
    except FileNotFoundError:
        verdict, words = SKIPPED, "uv is not there; run ./run test --version once"
    except subprocess.TimeoutExpired:
        verdict, words = SKIPPED, f"no answer within {SECONDS} seconds"
    except subprocess.CalledProcessError as error:
        verdict, words = FOUND, f"the lock file could not be exported: {str(error.stderr).strip()[:300]}"
    heading = {OK: "Audit passed", FOUND: "Audit FAILED", SKIPPED: "Audit SKIPPED, nothing is proved"}[verdict]
    sys.stdout.write(f"{heading}: {words}.\n")
    return exit_code(verdict, required=os.environ.get("AUDIT_REQUIRED", "").lower() in {"1", "yes", "true"})


if __name__ == "__main__":
    sys.exit(main())
