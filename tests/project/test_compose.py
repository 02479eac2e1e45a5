"""The files for containers: they name commands, settings and services that exist, and no default secret."""

import re
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from project import probe

ROOT = Path(settings.BASE_DIR)
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SECRETS = ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "POSTGRES_PASSWORD", "CAUSEWAY_HOST")
OURS = ("prepare", "web", "worker", "backup")


def known_settings() -> set[str]:
    example = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^#?\s*([A-Z][A-Z_]+)=", example, re.MULTILINE))


def test_the_services_are_there_and_wait_for_what_they_need():
    services = COMPOSE["services"]
    assert set(services) == {"db", "prepare", "web", "worker", "backup", "proxy"}
    assert services["prepare"]["depends_on"]["db"]["condition"] == "service_healthy"
    for name in ("web", "worker"):
        assert services[name]["depends_on"]["prepare"]["condition"] == "service_completed_successfully"
    assert services["worker"]["stop_grace_period"] == "5m"


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_our_services_is_documented(name):
    assert set(COMPOSE["services"][name]["environment"]) <= known_settings()


def test_no_secret_has_a_default_value():
    text = (ROOT / "compose.yaml").read_text()
    for name in SECRETS:
        assert re.search(rf"\$\{{{name}:\?", text), name
        assert not re.search(rf"\$\{{{name}:-", text), name


def test_commands_of_the_files_exist():
    commands = set(get_commands())
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "Dockerfile").read_text()
    named = set(re.findall(r"manage\.py[, ]+([a-z_]+)", text))
    assert named
    assert named <= commands, named - commands


def test_the_image_serves_as_the_documents_say():
    documented = re.search(r"`(granian --interface wsgi[^`]+)`", (ROOT / "docs" / "operations.md").read_text())
    assert documented is not None
    words = re.findall(r'"([^"]+)"', (ROOT / "Dockerfile").read_text().split("CMD [")[-1])
    assert set(documented[1].split()) <= set(words)


def test_our_containers_write_nowhere_but_to_their_data_and_run_without_rights():
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["volumes"][0] == "data:/data"
        assert service["volumes"][1:] == (["backups:/backups"] if name == "backup" else [])
    assert re.search(r"^USER causeway$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_probe_tells_a_server_that_is_well_from_one_that_is_not(live_server, monkeypatch, settings):
    settings.ALLOWED_HOSTS = ["causeway.example.com"]
    monkeypatch.setenv("BASE_URL", "https://causeway.example.com")
    monkeypatch.setenv("PORT", live_server.url.rpartition(":")[2])
    assert probe.main([]) == 0
    assert probe.main(["ready"]) == 1  # no worker beats here
    monkeypatch.setenv("PORT", "1")
    assert probe.main([]) == 1
