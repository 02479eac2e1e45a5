"""Commands for keys."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from integrations.models import ApiKey, AuditEntry
from integrations.orgs import vault
from integrations.orgs.vault import Kind


def test_s_007_rotate_vault_leaves_an_audit_entry(org, settings, capsys):
    vault.store(org, Kind.REFRESH_TOKEN, "secret-text")
    new = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, *settings.FIELD_ENCRYPTION_KEYS]
    call_command("rotate_vault")
    assert "1 secrets" in capsys.readouterr().out
    assert AuditEntry.objects.get(action="vault.rotated").after == {"rotated": 1, "unreadable": 0}
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert vault.read(org, Kind.REFRESH_TOKEN) == "secret-text"


def test_s_007_rotate_vault_fails_loudly_without_keys_and_with_wrong_ones(org, settings):
    vault.store(org, Kind.REFRESH_TOKEN, "secret-text")
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="1 secrets could not be read"):
        call_command("rotate_vault")
    settings.FIELD_ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="FIELD_ENCRYPTION_KEYS"):
        call_command("rotate_vault")


def test_new_key_prints_a_key_that_works(org, settings, capsys):
    call_command("new_key")
    settings.FIELD_ENCRYPTION_KEYS = [capsys.readouterr().out.strip()]
    vault.store(org, Kind.PASSWORD, "x")
    assert vault.read(org, Kind.PASSWORD) == "x"


def test_s_076_a_new_api_key_works_is_hashed_and_noted(cast, client, capsys):
    call_command("new_api_key", "olga", "--scope", "connections:read", "--days", "2")
    secret = capsys.readouterr().out.strip()
    key = ApiKey.objects.get()
    assert key.scopes == ["connections:read"]
    assert secret not in str(ApiKey.objects.values())
    assert client.get("/api/v1/connections/", headers={"Authorization": f"Api-Key {secret}"}).status_code == 200
    assert secret.split(".")[1] not in str(AuditEntry.objects.values())


def test_new_api_key_needs_an_active_user(cast):
    with pytest.raises(CommandError):
        call_command("new_api_key", "nobody")
    with pytest.raises(CommandError):
        call_command("new_api_key", "olga", "--days", "0")
