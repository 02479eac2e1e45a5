"""Deals that wait for somebody, write-backs that fail, orgs that lack something, products that lead nowhere."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for
from provisioning import attention
from provisioning.models import Provision
from provisioning.provision import queries

SHOWN = 8
NOT_NAMED = {"", "blocked", "stopped"}


def read(asker: Asker) -> list[Need]:
    """One statement."""
    if not asker.may("operator", "provisioning"):
        return []
    deals = attention.deals_in_need(now=asker.now)
    return [*map(_deal, deals.waiting[:SHOWN]), *_write_backs(deals), *_orgs(asker)]


def _deal(group: dict[str, Any]) -> Need:
    flagged = bool(group["flag"]) and not group["flag_answer"]
    one = reverse("provisioning:provision", kwargs={"pk": group["one"]})
    chosen = urlencode({"org": group["org"], "state": "needs"})
    url = one if group["n"] == 1 else f"{reverse('provisioning:provisions')}?{chosen}"
    what = f"deal {group['name']}" if group["n"] == 1 and group["name"] else words_for(group["n"], "won deal")
    if flagged:
        why = str(queries.FLAGS.get(group["flag"], group["flag"])).lower()
        title, body, kind = f"{group['connection']}: {what} needs a decision", f"{why.capitalize()}. Keep or cancel?", "flagged"
    else:
        is_stopped = group["state"] == Provision.State.STOPPED
        title = f"{group['connection']}: {what} {'stopped half-way' if is_stopped else 'not provisioned'}"
        code = str(group["reason_code"])
        body = "The customer does not have what was sold." + ("" if code in NOT_NAMED else f" Cause: {code.replace('_', ' ')}.")
        kind = group["state"]
    urgency = Urgency.TODAY if flagged else Urgency.NOW
    since = group["flagged"] if flagged else group["since"]
    return Need(f"provisioning.{kind}", "provisioning", urgency, title, url, "Decide" if flagged else "Fix the deal", body,
                group["n"], since, connection=group["connection"])  # fmt: skip


def _write_backs(deals: attention.Deals) -> list[Need]:
    return [
        Need(
            "provisioning.write_back", "provisioning", Urgency.TODAY,
            f"{each['connection']}: {words_for(each['n'], 'deal')} provisioned, not written back",
            f"{reverse('provisioning:provisions')}?{urlencode({'org': each['org'], 'state': 'incomplete'})}", "Look why",
            each["sentence"] or "Entitlements work; Salesforce does not know yet.", each["n"], each["since"],
            connection=each["connection"],
        )
        for each in deals.not_written_back
    ]  # fmt: skip


def _orgs(asker: Asker) -> list[Need]:
    found = []
    for each in attention.connections_in_need(asker.orgs, now=asker.now):
        set_up = reverse("provisioning:set_up", kwargs={"org_id": each.org_id})
        if each.lacks:
            first = each.lacks[0] if isinstance(each.lacks[0], dict) else {}
            title = f"{each.org.name}: provisioning lacks {words_for(len(each.lacks), 'thing')} in Salesforce"
            body = str(first.get("message") or "")
            found.append(Need("provisioning.lacks", "provisioning", Urgency.TODAY, title, set_up, "Set it up", body,
                              len(each.lacks), each.checked_at, connection=each.org.name))  # fmt: skip
        if each.poll_trouble:
            title = f"{each.org.name}: won deals cannot be looked for"
            found.append(Need("provisioning.poll", "provisioning", Urgency.NOW, title, reverse("provisioning:overview"), "Open",
                              each.poll_trouble, since=each.polled_at, connection=each.org.name))  # fmt: skip
        called = each.last_callout_at is not None and (
            each.callout_key_made_at is None or each.last_callout_at < each.callout_key_made_at
        )
        if each.old_key_until is not None and each.old_key_until > asker.now and called:
            title = f"{each.org.name}: the old integration key ends, and the new one was not used yet"
            body = "The org's flow still presents the old key."
            found.append(Need("provisioning.key", "provisioning", Urgency.SOON, title, set_up, "Store the new key", body,
                              until=each.old_key_until, connection=each.org.name))  # fmt: skip
    return found


def read_products(asker: Asker) -> list[Need]:
    """Kept by the worker: it reads the mirrored products."""
    found = []
    for each in attention.unmapped_products():
        title = f"{each.org.name}: {words_for(each.products, 'product')} on sale lead{'s' * (each.products == 1)} nowhere"
        named = ", ".join(each.names) + (" …" if each.products > len(each.names) else "")
        hit = f" On {words_for(each.deals, 'open deal')}." if each.deals else ""
        body = f"{named}.{hit} A deal with one of them would wait."
        url = f"{reverse('provisioning:mapping')}?{urlencode({'org': each.org.pk, 'state': 'unmapped'})}"
        found.append(Need("provisioning.unmapped", "provisioning", Urgency.TODAY, title, url, "Map them", body, each.products,
                          connection=each.org.name))  # fmt: skip
    return found


SOURCES = (Source("provisioning", read, 1), Source("products", read_products, 60, kept=True))
