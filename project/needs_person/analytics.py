"""Facts that cannot be relied on: refused amounts, missing objects, few linked accounts, a sync that is late."""

from django.urls import reverse

from analytics import attention
from analytics.attention import Trouble
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for


def read(asker: Asker) -> list[Need]:
    """No statement: settings and facts stand with the connections."""
    if not asker.may("operator", "analytics"):
        return []
    found = [_of(each) for each in attention.facts_in_need(asker.orgs, now=asker.now)]
    found += [
        Need("analytics.nothing", "analytics", Urgency.TODAY, f"{each.org.name}: analytics was started and has no facts yet",
             reverse("analytics:set_up", kwargs={"org_id": each.org_id}), "See how far it is", since=each.started_at,
             connection=each.org.name)
        for each in attention.never_computed(asker.orgs, now=asker.now)
    ]  # fmt: skip
    return found


def _of(trouble: Trouble) -> Need:
    said, refused = [], sum(trouble.currencies.values())
    if refused:
        said.append(f"{words_for(refused, 'amount')} left out: no rate for {', '.join(sorted(trouble.currencies))}.")
    if trouble.missing:
        said.append(f"Not mirrored: {', '.join(trouble.missing[:5])}.")
    if trouble.left_out:
        said.append(f"{words_for(trouble.left_out, 'transaction')} left out because of dates.")
    if trouble.is_poorly_linked:
        said.append(f"{trouble.unlinked:,} of {trouble.accounts:,} accounts lead to no customer.")
    if trouble.late:
        said.append("The daily sync did not come through.")
    return Need(
        "analytics.health", "analytics", Urgency.TODAY, f"{trouble.org.name}: the facts of analytics have gaps",
        reverse("analytics:health", kwargs={"org_id": trouble.org.pk}), "See the gaps", " ".join(said), max(1, refused),
        trouble.at, connection=trouble.org.name,
    )  # fmt: skip


SOURCES = (Source("analytics", read, 0),)
