"""What a connection chooses for its pushes: as of when KPIs are counted, and in which time zone calendar periods begin."""

from zoneinfo import available_timezones

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg
from integrations.product.models import KpiSettings

USUAL = {"as_of": KpiSettings.AsOf.DAY.value, "time_zone": "UTC"}


def choose_settings(
    org: SalesforceOrg, *, as_of: str, time_zone: str, user: Person | None, address: str | None = None
) -> KpiSettings:
    """Keep the choice; pushes from now on follow it. Refusal for what does not exist."""
    if as_of not in KpiSettings.AsOf.values:
        raise Refusal("unknown_instant", f"As of is one of {', '.join(KpiSettings.AsOf.values)}.")
    if time_zone not in available_timezones():
        raise Refusal("unknown_time_zone", f"{time_zone[:60]} is no time zone of the IANA list, such as UTC or Europe/Berlin.")
    wanted = {"as_of": as_of, "time_zone": time_zone}
    found = KpiSettings.objects.filter(org=org).first()
    before = {name: getattr(found, name) for name in wanted} if found else USUAL
    saved, _ = KpiSettings.objects.update_or_create(org=org, defaults=wanted)
    if before != wanted:
        audit.record("kpi_settings.changed", actor=user, target=org.name, before=before, after=wanted, address=address)
    return saved
