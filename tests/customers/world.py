"""A product and a Salesforce org side by side: customers and end users in the database, mirrored records in real Parquet files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pyarrow as pa
from django.db import transaction
from django.utils import timezone

from integrations import models
from integrations.lake import writing
from integrations.lake.types import arrow_schema
from integrations.models import Customer, EndUser, MirrorField, MirrorObject, RecordLink, Run, SalesforceOrg
from integrations.salesforce.ids import to_18
from integrations.sync import runs
from integrations.sync.mapping.body import read_body, write_body
from integrations.sync.matching import spine
from integrations.sync.mirror import hooks
from integrations.sync.mirror.tables import ensure_mirror_table

DAY_ONE = datetime(2024, 1, 1, tzinfo=UTC)
KINDS = {"Id": "text", "CreatedDate": "moment", "SystemModstamp": "moment", "IsDeleted": "flag"}
STANDARD = {
    "Account": {"Name": "string", "Website": "url", "Customer_Number__c": "string", "Legacy_Number__c": "double"},
    "Contact": {"Name": "string", "Email": "email", "Phone": "phone", "Member_Number__c": "double"},
}
LAKE_KIND = {"double": "number", "int": "number", "reference": "text"}
PREFIX_OF = {"Account": "001", "Contact": "003"}
_numbers = count(1)


def new_id(object_: str = "Account", number: int | None = None) -> str:
    """A record id of 18 characters; letters of both cases, so that 15 characters alone depend on case."""
    return to_18(f"{PREFIX_OF.get(object_, 'a0B')}Ab{next(_numbers) if number is None else number:010d}")


@dataclass
class World:
    """One connection with its mirror and mappings."""

    org: SalesforceOrg
    now: datetime = field(default_factory=timezone.now)
    shapes: dict[str, dict[str, str]] = field(default_factory=lambda: {name: dict(each) for name, each in STANDARD.items()})
    written: int = 0

    # Salesforce ------------------------------------------------------------------------------------------------------

    def mirror(self, object_: str, records: Iterable[Mapping[str, Any]], *, kind: str = "delta") -> list[str]:
        """Mirror these records (Id, CreatedDate and SystemModstamp are made up where missing) and return their ids."""
        table = self.mirrored(object_).table
        assert table is not None
        schema = arrow_schema(table.columns)
        rows = [self._record(object_, each, schema.names) for each in records]
        with writing.open_writer(table, kind=kind) as writer:
            writer.write(pa.Table.from_pylist(rows, schema=schema))
        with transaction.atomic():
            writing.register(table, writer.staged, now=self.now)
        return [row["Id"] for row in rows]

    def account(self, name: str = "", **values: Any) -> str:
        """One mirrored account."""
        return self.mirror("Account", [{"Name": name, **values}])[0]

    def contact(self, email: str = "", **values: Any) -> str:
        """One mirrored contact."""
        return self.mirror("Contact", [{"Email": email or None, **values}])[0]

    def mirrored(self, object_: str) -> MirrorObject:
        """The mirror of an object, with the fields of its shape."""
        shape = self.shapes[object_]
        columns = [*KINDS.items(), *((name, LAKE_KIND.get(kind, "text")) for name, kind in shape.items())]
        table = ensure_mirror_table(self.org, object_, columns, version="SystemModstamp")
        mirror, _ = MirrorObject.objects.update_or_create(org=self.org, name=object_, defaults={"table": table})
        for name, kind in shape.items():
            MirrorField.objects.update_or_create(object=mirror, name=name, defaults={"type": kind})
        return mirror

    def _record(self, object_: str, given: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
        self.written += 1
        made = {
            "Id": new_id(object_),
            "CreatedDate": DAY_ONE + timedelta(days=self.written),
            "SystemModstamp": self.now + timedelta(seconds=self.written),
            "IsDeleted": False,
        }
        record = {**dict.fromkeys(names), **made, **given}
        return {name: Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
                for name, value in record.items()}  # fmt: skip

    def delete(self, object_: str, *ids: str, tell: bool = True) -> None:
        """Salesforce deleted these records, and the mirror saw it."""
        self.mirror(object_, [{"Id": each, "IsDeleted": True} for each in ids])
        if tell:
            self.tell("on_deleted", object_, list(ids))

    def tell(self, event: str, object_: str, news: list[Any], *, run: Run | None = None) -> None:
        """The mirror's news to the hook that matching has registered."""
        hook = getattr(hooks._hooks["matching"], event)
        hook(self.org, object_, news, run=run or self.a_run(), now=self.now)

    def a_run(self, job: str = "mirror.read") -> Run:
        """A finished run to hang things on."""
        return Run.objects.create(job=job, org=self.org, domain="mirror", state=Run.State.SUCCESS)

    # The product -----------------------------------------------------------------------------------------------------

    def customer(self, external_id: str, **values: Any) -> Customer:
        """Save one customer."""
        self.customers([{"external_id": external_id, **values}])
        return Customer.objects.get(external_id=external_id)

    def customers(self, rows: Iterable[Mapping[str, Any]]) -> spine.SaveReport:
        """Save customers; attributes are made on the way."""
        report = spine.save_customers(list(rows), now=self.tick(), create_attributes=True)
        assert not report.count("failed"), report.rows
        return report

    def user(self, external_id: str, **values: Any) -> EndUser:
        """Save one end user."""
        self.users([{"external_id": external_id, **values}])
        return EndUser.objects.get(external_id=external_id)

    def users(self, rows: Iterable[Mapping[str, Any]]) -> spine.SaveReport:
        """Save end users."""
        report = spine.save_end_users(list(rows), now=self.tick(), create_attributes=True)
        assert not report.count("failed"), report.rows
        return report

    def staff(self, customer: str, domains: Iterable[str | None], *, seen: datetime | None = None, tag: str = "u") -> None:
        """End users of a customer, one a domain (None: without e-mail), each seen an hour earlier than the one before."""
        seen = seen or self.now
        self.users(
            {"external_id": f"{customer}-{tag}{place}", "customer": customer, "last_seen_at": seen - timedelta(hours=place),
             "email": f"{tag}{place}@{domain}" if domain else None}
            for place, domain in enumerate(domains)
        )  # fmt: skip

    # Matching --------------------------------------------------------------------------------------------------------

    def rules(self, entity: str = "customer", *, object_: str = "", **rules: Any) -> models.MappingVersion:
        """A new version of the entity's mapping in which these rules are on: `name=True` or `name={"when_several": "none"}`.

        Anything that is no rule (mail_providers, most_active_wins, retrieve) is set on the body.
        """
        blank = write_body(read_body({"entity": entity, **({"object": object_} if object_ else {})}))
        for each in blank["rules"]:
            wanted = rules.pop(each["name"], False)
            each.update({"on": bool(wanted)} | (wanted if isinstance(wanted, dict) else {}))
        blank |= rules
        mapping, _ = models.Mapping.objects.get_or_create(org=self.org, entity=entity)
        mapping.version += 1
        mapping.state = models.Mapping.State.ACTIVE
        mapping.save()
        return models.MappingVersion.objects.create(mapping=mapping, number=mapping.version, body=blank)

    def match(self, **arguments: Any) -> Run:
        """Run the job `customers.match` to its end."""
        self.tick()
        run = runs.request_run("customers.match", org=self.org, arguments=arguments, now=timezone.now())
        run.refresh_from_db()
        return run

    def tick(self) -> datetime:
        """A moment later."""
        self.now += timedelta(seconds=1)
        return self.now

    def links(self, entity: str = "customer") -> dict[str, tuple[str, str]]:
        """External id -> (Salesforce id, rule) of the active links."""
        links = RecordLink.objects.filter(org=self.org, entity=entity, state="active")
        return {getattr(each, entity).external_id: (each.salesforce_id, each.rule) for each in links}
