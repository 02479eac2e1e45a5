"""The committed style sheet is what its source and the templates give, readable in light and dark, and needs no network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSS = ROOT / "static" / "css"


@pytest.mark.skipif(
    not (ROOT / "node_modules" / ".bin" / "tailwindcss").exists() or shutil.which("node") is None,
    reason="node_modules is not there (npm ci); the style sheet cannot be rebuilt",
)
def test_the_style_sheet_is_fresh(tmp_path):
    built = tmp_path / "app.css"
    command = [
        str(ROOT / "node_modules" / ".bin" / "tailwindcss"),
        "-i",
        str(CSS / "source.pcss"),
        "-o",
        str(built),
        "--minify",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    assert built.read_text() == (CSS / "app.css").read_text(), "run: npm run css"


def test_nothing_is_fetched_from_elsewhere():
    for path in (*CSS.glob("*.css"), *(ROOT / "static" / "js").glob("*.js"), *(ROOT / "templates").rglob("*.html")):
        text = re.sub(r"http://www\.w3\.org/\S+", "", path.read_text())
        assert not re.search(r"(?:src|href|url\(|import|fetch\()\s*=?\s*[\"']?(?:https?:)?//", text), path


def test_vendored_libraries_name_version_and_license():
    listed = (ROOT / "static" / "vendor" / "VERSIONS.md").read_text()
    for name in ("chart.js", "tom-select", "inter", "lucide-static"):
        assert name in listed
    for folder in ("chartjs", "tom-select", "inter", "lucide"):
        assert list((ROOT / "static" / "vendor" / folder).glob("LICENSE*"))
    for script in (ROOT / "static" / "vendor").rglob("*.js"):
        assert "sourceMappingURL" not in script.read_text()  # would stop collectstatic


def test_every_icon_used_is_in_the_sprite():
    sprite = (ROOT / "static" / "vendor" / "lucide" / "sprite.svg").read_text()
    known = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    used = set(re.findall(r'icon="([a-z0-9-]+)"', "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))))
    used |= set(
        re.findall(r'{% icon "([a-z0-9-]+)"', "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html")))
    )
    from project.status import STATUSES

    used |= {status.icon for status in STATUSES.values()}
    assert used <= known, used - known


def themes() -> dict[str, dict[str, str]]:
    source = (CSS / "source.pcss").read_text()
    found = {}
    for name in ("light", "dark"):
        block = re.search(rf'\[data-theme="{name}"\] {{(.*?)}}', source, re.DOTALL)[1]
        found[name] = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    return found


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXT_ON = [
    ("ink", "ground"), ("ink", "surface"), ("ink", "sunken"), ("muted", "ground"), ("muted", "surface"), ("muted", "sunken"),
    ("accent", "surface"), ("accent", "ground"), ("accent-strong", "accent-soft"), ("on-accent", "accent"), ("ok", "ok-soft"),
    ("warn", "warn-soft"), ("bad", "bad-soft"), ("on-bad", "bad"), ("ok", "surface"), ("warn", "surface"), ("bad", "surface"),
    ("muted", "warn-soft"), ("muted", "bad-soft"), ("ink", "bad-soft"), ("ink", "warn-soft"),
]  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_has_contrast(theme, text, ground):
    colors = themes()[theme]
    assert contrast(colors[text], colors[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_edges_of_controls_have_contrast(theme):
    colors = themes()[theme]
    assert contrast(colors["edge"], colors["surface"]) >= 3
    assert contrast(colors["edge"], colors["ground"]) >= 3


def test_both_dark_blocks_are_the_same():
    blocks = re.findall(r"color-scheme: dark;(.*?)}", (CSS / "source.pcss").read_text(), re.DOTALL)
    assert len({re.sub(r"\s+", " ", block) for block in blocks}) == 1


def test_every_file_that_a_style_sheet_names_is_there():
    """collectstatic stops at the first one that is missing, and a build source must not be called .css."""
    for sheet in (ROOT / "static").rglob("*.css"):
        text = sheet.read_text()
        assert "@import" not in text, sheet
        for named in re.findall(r"url\([\"']?(?!data:)([^)\"']+)", text):
            assert (sheet.parent / named).exists(), f"{sheet} names {named}"
