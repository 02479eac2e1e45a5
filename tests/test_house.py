"""The import rule (who may know whom), and the shape that every room keeps."""

import ast
import re
from pathlib import Path

import pytest
from importlinter import api as importlinter_api  # noqa: F401 - the import says plainly when the tool is missing
from importlinter.application import use_cases
from importlinter.configuration import configure

ROOT = Path(__file__).resolve().parent.parent
OURS = [path for folder in ("project", "integrations", "okr") for path in sorted((ROOT / folder).rglob("*.py"))]
DRAWERS = {"services", "utils", "helpers", "common", "core", "manager"}


def test_import_rule_holds(capsys, monkeypatch):
    """DESIGN's arrows; a broken one is printed as a sentence with both files."""
    monkeypatch.chdir(ROOT)
    configure()
    kept = use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, is_debug_mode=False)
    assert kept, capsys.readouterr().out


def test_no_drawers():
    """A room is named for what happens in it."""
    named = [path for path in OURS if path.stem in DRAWERS or path.parent.name in DRAWERS]
    assert not named, f"Name these for what they do: {named}"


def test_no_signals_of_our_own():
    """Calls are calls; nothing happens behind a signal."""
    uses = [path for path in OURS if re.search(r"django\.dispatch|django\.db\.models\.signals", path.read_text())]
    assert not uses


@pytest.mark.parametrize(
    "path", [p for p in OURS if "migrations" not in p.parts and p.read_text().strip()], ids=lambda p: str(p.relative_to(ROOT))
)
def test_module_says_what_it_is(path: Path):
    """Each file starts with a docstring, each public class and function of it has one."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path.relative_to(ROOT)} has no docstring."
