"""API keys that end soon: everybody's for administrators, their own for everybody else."""

from django.urls import reverse

from integrations import attention
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency


def read(asker: Asker) -> list[Need]:
    """One statement. The page of a key is in the back office, which only administrators open."""
    admin = asker.may("admin")
    keys = attention.ending_keys(owner=None if admin else asker.user, now=asker.now)
    url = reverse("admin:integrations_apikey_changelist") if admin else reverse("me")
    return [
        Need(
            "keys.api", "access", Urgency.SOON, f"The API key {key.name} ends", url, "Make a new one",
            "What uses it gets 401 from then on.",
            until=key.expiry_date, role="member",
        )
        for key in keys[:20]
    ]  # fmt: skip


SOURCES = (Source("keys", read, 1),)
