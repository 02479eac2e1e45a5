"""A product with people, segments and engagements, for tests of engagements."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client

from integrations.models import Attribute, Customer, EndUser
from integrations.product.engagements import authoring
from integrations.product.ingest import write_keys
from integrations.product.models import Engagement, Segment, WriteKey

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def text_of(moment: datetime) -> str:
    """An attribute's date as it is stored."""
    return moment.strftime("%Y-%m-%dT00:00:00Z")


def make_people() -> dict[str, EndUser]:
    """Jane and Jim of Acme, whose renewal is near, and Ola of Borg, whose is not."""
    Attribute.objects.create(entity="customer", key="renewal_date", label="Renewal date", type="DATE_TIME", pulled=True)
    Attribute.objects.create(entity="customer", key="industry", label="Industry", pulled=True)
    Attribute.objects.create(entity="end_user", key="role", label="Role")
    acme = Customer.objects.create(
        external_id="acme", name="Acme Ltd", attributes={"renewal_date": text_of(NOW + 30 * DAY), "industry": "Retail"}
    )
    borg = Customer.objects.create(
        external_id="borg", name="Borg AG", attributes={"renewal_date": text_of(NOW + 300 * DAY), "industry": "Energy"}
    )
    rows = (("jane", "Jane Doe", acme), ("jim", "Jim Roe", acme), ("ola", "Ola Berg", borg))
    return {key: EndUser.objects.create(external_id=key, name=name, customer=customer) for key, name, customer in rows}


def make_segment(name: str = "Retail", *, entity: str = "customer", **condition: Any) -> Segment:
    given = condition or {"field": "attributes.industry", "op": "is", "value": "Retail"}
    return Segment.objects.create(name=name, entity=entity, conditions={"all": [given]})


def make_engagement(*, live: bool = True, **values: Any) -> Engagement:
    """A live message, unless said otherwise."""
    given = {"name": f"Engagement {Engagement.objects.count()}", "title": "News", "body": "Look."} | values
    made = authoring.create_engagement(given, user=None, now=NOW)
    return authoring.set_state(made, "live", user=None, now=NOW) if live else made


def make_key(**values: Any) -> WriteKey:
    return write_keys.create_write_key(**({"name": "Web", "actor": None, "now": NOW} | values))[0]


def ask(client: Client, key: WriteKey, user: str, **more: str) -> list[dict[str, Any]]:
    """The messages that the snippet would get."""
    answer = client.get("/api/v1/in-app/", {"key": key.key, "user": user, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["messages"]


def send(client: Client, key: WriteKey, *events: dict[str, Any]) -> dict[str, Any]:
    """Events as the snippet sends them."""
    answer = client.post(f"/api/v1/events/?key={key.key}", {"batch": list(events)}, content_type="application/json")
    assert answer.status_code == 202, answer.content
    return answer.json()


def act(number: int, engagement: Engagement | int, user: str, action: str, at: datetime = NOW) -> dict[str, Any]:
    """An event about an engagement."""
    pk = engagement if isinstance(engagement, int) else engagement.pk
    return {
        "id": f"e-{number}-{user}-{action}", "type": "engagement", "user": user, "at": at.isoformat(),
        "properties": {"engagement": pk, "action": action},
    }  # fmt: skip
