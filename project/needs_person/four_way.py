"""Money: disagreements of high urgency between what was sold, granted, used and billed, as the latest comparison found them."""

from urllib.parse import urlencode

from django.urls import reverse

from project.four_way import audit
from project.four_way.audit import Severity
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for


def read(asker: Asker) -> list[Need]:
    """Kept by the worker: unpacking thousands of findings costs too much for a page. Nothing is compared here."""
    kept = audit.kept_audit()
    if kept is None:
        return []
    high = [each for each in kept.findings if each.severity == Severity.HIGH]
    found = []
    for total in audit.total_by_kind(high):
        money = ", ".join(f"{amount:,.0f} {currency}" for currency, amount in total.amounts)
        title = f"{total.label}: {words_for(total.count, 'finding')}" + (f", {money} a month" if money else "")
        url = f"{reverse('four_way')}?{urlencode({'severity': Severity.HIGH.value, 'kind': total.kind.value})}"
        found.append(Need("four_way.high", "billing", Urgency.TODAY, title, url, "See whom",
                          "Money is lost or a promise broken until it is put right.", total.count, kept.at))  # fmt: skip
    return found


SOURCES = (Source("four-way audit", read, 3, kept=True),)
