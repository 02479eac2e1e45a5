"""The snippet's file: small, without what a strict policy forbids, and built from the source beside it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "static" / "snippet"


def served() -> bytes:
    return Path(str(finders.find("snippet/causeway.js"))).read_bytes()


def test_px_03_the_snippet_is_smaller_than_5_kb():
    assert 1_000 < len(served()) < 5_000, "raw, as it is served without compression"


def test_px_03_the_snippet_needs_nothing_that_a_strict_policy_forbids():
    code = served().decode()
    for word in (
        "eval(",
        "Function(",
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        ".style",
        "cssText",
        "import(",
    ):
        assert word not in code, word
    assert not re.search(r"https?://", code), "it calls nobody but the host that it came from"


@pytest.mark.skipif(
    not (ROOT / "node_modules" / ".bin" / "terser").exists() or shutil.which("node") is None,
    reason="node_modules is not there (npm ci); the snippet cannot be rebuilt",
)
def test_the_snippet_is_built_from_its_source(tmp_path):
    built = tmp_path / "causeway.js"
    command = re.search(r'"snippet": "terser (.*?)"', (ROOT / "package.json").read_text())[1].split()
    command[command.index("static/snippet/causeway.js")] = str(built)
    subprocess.run([str(ROOT / "node_modules" / ".bin" / "terser"), *command], cwd=ROOT, check=True, timeout=300)
    assert built.read_bytes() == served(), "run: npm run snippet"
