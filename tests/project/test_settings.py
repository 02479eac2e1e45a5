"""A wrong setting stops start-up with its name; the sample values never run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import global_settings

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghij",
    "FIELD_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "BASE_URL": "https://causeway.example.com",
}


def start(tmp_path, *command: str, **changes: str) -> subprocess.CompletedProcess:
    """Import the settings in a process of its own, as a server would."""
    names = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CAUSEWAY_DATA": str(tmp_path), **GOOD, **changes}
    command = command or ("-c", "import project.settings")
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=names, capture_output=True, text=True, timeout=300)


def test_good_settings_start(tmp_path):
    done = start(tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", "", "is missing"),
        ("SECRET_KEY", "change-me", "sample"),
        ("SECRET_KEY", "short", "shorter than 50"),
        ("FIELD_ENCRYPTION_KEYS", "change-me", "sample"),
        ("BASE_URL", "causeway.example.com", "https://"),
        ("BASE_URL", "http://causeway.example.com", "https://"),
        ("DATABASE_URL", "mysql://x", "sqlite"),
        ("WORKERS", "many", "whole number"),
        ("WORKERS", "0", "at least 1"),
        ("REFRESH_MINUTE", "60", "between 0 and 59"),
        ("API_BUDGET_PERCENT", "-1", "at least 1"),
        ("DEBUG", "perhaps", "yes or no"),
        ("LOG_LEVEL", "LOUD", "DEBUG"),
        ("DEMO_MODE", "yes", "this machine only"),
        ("DEMO_ORG_URL", "http://127.0.0.1:8600", "DEMO_MODE"),
    ],
)
def test_wrong_value_names_the_variable(tmp_path, name, value, words):
    done = start(tmp_path, **{name: value})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert name in last
    assert words in last


def test_s_012_sample_file_is_refused(tmp_path):
    """The values of .env.example do not start a server."""
    values = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    done = start(tmp_path, **values)
    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


def test_s_090_deployment_checks_are_silent(tmp_path):
    done = start(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "0 silenced" in done.stdout


def test_s_098_demonstration_is_for_loopback_only(tmp_path):
    assert (
        start(tmp_path, DEMO_MODE="yes", BASE_URL="http://127.0.0.1:8000", DEMO_ORG_URL="http://127.0.0.1:8600").returncode == 0
    )
    assert start(tmp_path, DEMO_MODE="yes").returncode != 0
    done = start(tmp_path, "manage.py", "fill_demo")
    assert done.returncode != 0
    assert "DEMO_MODE" in done.stderr


def test_s_055_cookies_of_a_https_server(tmp_path):
    script = (
        "import project.settings as s;"
        "assert s.SESSION_COOKIE_SECURE and s.CSRF_COOKIE_SECURE and s.SESSION_COOKIE_HTTPONLY;"
        "assert s.SESSION_COOKIE_NAME.startswith('__Host-') and s.CSRF_COOKIE_NAME.startswith('__Host-');"
        "assert s.SESSION_COOKIE_SAMESITE == 'Lax' and s.SECURE_HSTS_SECONDS >= 31536000"
    )
    done = start(tmp_path, "-c", script)
    assert done.returncode == 0, done.stderr


def test_every_setting_is_in_the_example():
    """A setting that nobody can find does not exist."""
    named = set(
        re.findall(
            r"(?:env\.\w+|_whole_number|_yes_or_no|_words)\(\s*\"([A-Z_]+)\"", (ROOT / "project/settings.py").read_text()
        )
    )
    example = (ROOT / ".env.example").read_text()
    missing = {name for name in named if not re.search(rf"^(# )?{name}=", example, re.MULTILINE)} - {"TEST_DATABASE_URL"}
    assert not missing


def test_no_code_has_a_default_of_its_own_for_a_setting():
    """What is read with getattr and a default is in no document: every setting has one place, project/settings.py."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for app in ("analytics", "billing", "integrations", "okr", "project", "provisioning")
        for path in sorted((ROOT / app).rglob("*.py"))
        for name in re.findall(r"getattr\(\s*(?:django_)?settings,\s*\"([A-Z_]+)\",", path.read_text())
        if not hasattr(global_settings, name)
    ]
    assert found == []
