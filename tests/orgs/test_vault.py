"""Secrets: encrypted, bound to their row, rotatable, never shown."""

import pytest
from cryptography.fernet import Fernet

from integrations.models import OrgSecret, SalesforceOrg
from integrations.orgs import vault
from integrations.orgs.states import shown_state
from integrations.orgs.vault import Kind, VaultLocked

TOKEN = "00DxCANARY!AQEAQFakeTokenForTests.0123456789"


@pytest.fixture
def new_key() -> str:
    return Fernet.generate_key().decode()


def test_i_14_what_is_stored_is_not_the_secret(org):
    vault.store(org, Kind.REFRESH_TOKEN, TOKEN)
    stored = bytes(OrgSecret.objects.get(org=org).ciphertext)
    assert TOKEN.encode() not in stored
    assert vault.read(org, Kind.REFRESH_TOKEN) == TOKEN
    assert vault.kinds_of(org) == {"refresh_token": "6789"}


def test_bw_d6_of_a_password_not_even_the_end_is_kept(org):
    vault.store(org, Kind.PASSWORD, "a-long-password-0123456789")
    vault.store(org, Kind.SECURITY_TOKEN, "a-long-security-token-0123456789")
    assert vault.kinds_of(org) == {"password": "", "security_token": ""}


def test_i_14_short_secrets_keep_no_end(org):
    vault.store(org, Kind.CLIENT_SECRET, "short-secret")
    assert vault.kinds_of(org) == {"client_secret": ""}


def test_i_14_a_secret_moved_to_another_row_does_not_open(org):
    other = SalesforceOrg.objects.create(name="Other", login_url="https://other.my.salesforce.com")
    vault.store(org, Kind.REFRESH_TOKEN, TOKEN)
    OrgSecret.objects.filter(org=org).update(org=other)
    with pytest.raises(VaultLocked, match="wrong row"):
        vault.read(other, Kind.REFRESH_TOKEN)


def test_i_14_a_secret_moved_to_another_kind_does_not_open(org):
    vault.store(org, Kind.REFRESH_TOKEN, TOKEN)
    OrgSecret.objects.filter(org=org).update(kind=Kind.CLIENT_SECRET)
    with pytest.raises(VaultLocked):
        vault.read(org, Kind.CLIENT_SECRET)


def test_r_019_wrong_key_raises_and_the_connection_shows_locked(org, settings, new_key):
    vault.store(org, Kind.REFRESH_TOKEN, TOKEN)
    org.state = org.State.CONNECTED
    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    with pytest.raises(VaultLocked) as refusal:
        vault.read(org, Kind.REFRESH_TOKEN)
    assert TOKEN not in str(refusal.value)
    assert new_key not in str(refusal.value)
    assert vault.is_locked(org)
    assert vault.locked_orgs() == {org.pk}
    assert shown_state(org, locked=True).code == "locked"


def test_r_019_without_any_key_the_app_answers_and_the_page_says_locked(org, settings, ada):
    vault.store(org, Kind.REFRESH_TOKEN, TOKEN)
    SalesforceOrg.objects.filter(pk=org.pk).update(state="connected")
    settings.FIELD_ENCRYPTION_KEYS = []
    assert b"Locked" in ada.get("/connections/").content
    page = ada.get(f"/connections/{org.pk}/")
    assert page.status_code == 200
    assert b"FIELD_ENCRYPTION_KEYS" in page.content


def test_r_019_a_key_that_is_no_key_is_not_repeated_in_the_message(org, settings):
    settings.FIELD_ENCRYPTION_KEYS = ["not-a-key-but-somebody-s-password"]
    with pytest.raises(VaultLocked) as refusal:
        vault.store(org, Kind.PASSWORD, "x")
    assert "somebody" not in str(refusal.value)


def test_s_007_rotation_reads_old_rows_and_frees_the_old_key(org, settings, new_key):
    vault.store(org, Kind.REFRESH_TOKEN, TOKEN)
    old = settings.FIELD_ENCRYPTION_KEYS[0]
    settings.FIELD_ENCRYPTION_KEYS = [new_key, old]
    assert vault.read(org, Kind.REFRESH_TOKEN) == TOKEN
    assert vault.rotate_all() == (1, 0)
    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    assert vault.read(org, Kind.REFRESH_TOKEN) == TOKEN


def test_s_007_rotation_counts_what_no_key_opens(org, settings, new_key):
    vault.store(org, Kind.REFRESH_TOKEN, TOKEN)
    settings.FIELD_ENCRYPTION_KEYS = [new_key]
    assert vault.rotate_all() == (0, 1)


def test_r_017_erase_leaves_no_ciphertext(org):
    vault.store(org, Kind.REFRESH_TOKEN, TOKEN)
    vault.store(org, Kind.CLIENT_SECRET, TOKEN)
    assert vault.erase(org, [Kind.REFRESH_TOKEN]) == 1
    assert vault.read(org, Kind.REFRESH_TOKEN) is None
    assert vault.erase(org) == 1
    assert not OrgSecret.objects.exists()
