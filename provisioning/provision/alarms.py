"""What people are told about deals: one alert per deal that needs them, one for all of them when many do; each recovers."""

from datetime import datetime

from django.urls import reverse

from integrations import alerts
from integrations.models import Alert, SalesforceOrg
from provisioning.connection import DOMAIN
from provisioning.models import Provision
from provisioning.subscriptions.naming import name_subscriptions

SINGLE = 5  # deals of a connection that have an alert of their own; more of them share one
NEEDY = (Provision.State.BLOCKED, Provision.State.STOPPED)


def key_of(provision: Provision) -> str:
    """The alert about one deal."""
    return f"{DOMAIN}:deal:{provision.pk}"


def tell(provision: Provision, *, now: datetime) -> None:
    """Bring the alerts up to the state of a deal; nothing happens when it has not changed."""
    if provision.flag and not provision.flag_answer:
        _raise(provision, f"flag-{provision.flag}", _flag_title(provision), provision.sentence, now)
    elif provision.state in NEEDY and provision.reason_code != "removed":
        title = f"{provision} is not provisioned"
        _raise(provision, provision.reason_code or provision.state, title, provision.sentence, now)
    else:
        recover(provision, now=now)


def tell_granted(provision: Provision, *, now: datetime) -> None:
    """News: a won deal gave or changed subscriptions."""
    org, customer = provision.org, provision.customer
    named = name_subscriptions(map(str, provision.result.get("subscription_ids") or ()), now=now).values()
    if not named:
        return
    given = ", ".join(each.words for each in named)
    alerts.raise_alert(
        f"{DOMAIN}:granted:{provision.pk}", code="granted", severity="warning", org=org, now=now,
        url=reverse("provisioning:provision", kwargs={"pk": provision.pk}), title=f"{org.name}: {provision} is provisioned",
        body=f"{customer or provision.account_name or 'The customer'} has what the deal sold: {given}.",
    )  # fmt: skip


def recover(provision: Provision, *, now: datetime) -> None:
    """The deal needs nobody any more."""
    if alerts.recover_alert(key_of(provision), now=now, note=f"{provision}: nothing is left to do."):
        return
    _settle_many(provision.org, now=now)


def _raise(provision: Provision, code: str, title: str, body: str, now: datetime) -> None:
    org = provision.org
    own = Alert.objects.filter(recovered_at=None, org=org, key__startswith=f"{DOMAIN}:deal:")
    if own.count() < SINGLE or own.filter(key=key_of(provision)).exists():
        page = reverse("provisioning:provision", kwargs={"pk": provision.pk})
        alerts.raise_alert(
            key_of(provision), code=code[:60], title=f"{org.name}: {title}", body=body, url=page, org=org, now=now
        )
        return
    alerts.raise_alert(
        f"{DOMAIN}:many:{org.pk}", code="many", org=org, now=now, url=f"{reverse('provisioning:provisions')}?state=needs",
        title=f"{org.name}: many deals need a person",
        body=f"More than {SINGLE} deals cannot be provisioned or were undone in Salesforce. The list shows why.",
    )  # fmt: skip


def _settle_many(org: SalesforceOrg, *, now: datetime) -> None:
    key = f"{DOMAIN}:many:{org.pk}"
    if not Alert.objects.filter(key=key, recovered_at=None).exists():
        return
    rows = Provision.objects.filter(org=org)
    if rows.filter(state__in=NEEDY).count() + rows.exclude(flag="").filter(flag_answer="").count() <= SINGLE:
        alerts.recover_alert(key, now=now, note="Few or no deals need a person now.")


def _flag_title(provision: Provision) -> str:
    words = {
        "reopened": "was opened again after it was won", "lost": "was lost after it was won",
        "deleted": "was deleted after it was won", "merged": "has another customer than the account that it was merged into",
    }  # fmt: skip
    return f"{provision} {words.get(provision.flag, 'needs a decision')}"


def tell_wrong_org(org: SalesforceOrg, claimed: str, *, now: datetime) -> None:
    """A call with this connection's key came from another org, most likely a sandbox copy that carries it."""
    alerts.raise_alert(
        f"{DOMAIN}:wrong-org:{org.pk}", code=claimed, org=org, now=now,
        url=reverse("provisioning:settings", kwargs={"org_id": org.pk}),
        title=f"{org.name}: another org uses its integration key",
        body=f"A call presented the key of {org.name} but says that it comes from the org {claimed}. This happens when a "
        "sandbox is copied from production together with the key. Nothing was provisioned. Take the key out of that org, or "
        "make a new one.",
    )  # fmt: skip
