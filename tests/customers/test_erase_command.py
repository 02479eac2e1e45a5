"""`manage.py erase`: what the API does, for somebody at the machine (S-112)."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integrations.models import AuditEntry, Customer, EndUser

pytestmark = pytest.mark.django_db


def erase(*words: str) -> str:
    out = StringIO()
    call_command("erase", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def acme() -> Customer:
    customer = Customer.objects.create(external_id="acme", name="Acme")
    EndUser.objects.create(external_id="ann", name="Ann", email="ann@acme.example", customer=customer)
    return customer


def test_s_112_an_end_user_is_erased_with_an_audit_entry(acme):
    assert "Erased:" in erase("end_user", "ann", "--yes")
    user = EndUser.objects.get()
    assert (user.name, user.email) == ("", "")
    assert user.erased_at is not None
    assert AuditEntry.objects.filter(action="end_user.erased").count() == 1
    acme.refresh_from_db()
    assert acme.erased_at is None


def test_s_112_a_customer_takes_its_end_users_along_only_when_told(acme):
    erase("customer", "acme", "--yes", "--with-end-users")
    assert not EndUser.objects.filter(erased_at=None).exists()
    assert not Customer.objects.filter(erased_at=None).exists()


def test_it_asks_first_and_refuses_whom_nobody_knows(acme):
    with pytest.raises(CommandError, match="--yes"):
        erase("end_user", "ann")
    with pytest.raises(CommandError, match="Nobody"):
        erase("end_user", "bob", "--yes")
    assert not EndUser.objects.exclude(erased_at=None).exists()
