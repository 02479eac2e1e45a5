"""How the org calls us: its key (ST-16, ST-18), an outbound message instead of a callout, flows switched on and off (ST-38)."""

import hmac
from datetime import datetime
from urllib.parse import quote

from django.conf import settings as django_settings

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import credentials, flows, metadata
from integrations.salesforce.client import Client
from integrations.salesforce.errors import NotFound, SalesforceError
from integrations.salesforce.metadata import DeployPending, MetadataPackage
from provisioning.connection import DOMAIN, digest_of, find_key, make_key
from provisioning.salesforce import checking, deploying, flow, package

PATIENCE = 20.0  # seconds that a page waits for a small deployment
TEMPLATES = {flow.NAME: flow.LABEL, flow.MESSAGE_NAME: flow.MESSAGE_LABEL}


def store_key(org: SalesforceOrg, key: str, *, actor: Person | None, now: datetime) -> None:
    """Put the integration key into the org's credential. Refusal `wrong_key`, `not_deployed`, `not_stored` with the way out."""
    _check_key(org, key, now=now)
    with client_for(org, domain=DOMAIN) as client:
        _store(client, key.strip())
    audit.record("provisioning.key_stored", actor=actor, target=org)


def renew_key(org: SalesforceOrg, *, actor: Person | None, now: datetime) -> tuple[str, str]:
    """A new key, stored in the org at once: the key and, when that failed, why (the key must then be pasted by hand)."""
    key = make_key(org, actor=actor, now=now)
    try:
        store_key(org, key, actor=actor, now=now)
    except Refusal as refusal:
        return key, refusal.message
    except SalesforceError as error:
        return key, deploying.explained(error)
    return key, ""


def _check_key(org: SalesforceOrg, key: str, *, now: datetime) -> None:
    found = find_key(key.strip(), now=now)
    if found is None or found.org_id != org.pk:
        raise Refusal("wrong_key", f"This is not the integration key of {org}. Make a new one if you no longer have it.")
    if not hmac.compare_digest(digest_of(key.strip()), found.callout_key_digest):
        raise Refusal("wrong_key", f"This key of {org} was replaced and ends soon. Use the new one.")


def _store(client: Client, key: str) -> None:
    try:
        credentials.store_credential(client, package.CREDENTIAL, package.PRINCIPAL, {package.SECRET: key})
    except NotFound:
        raise Refusal("not_deployed", "The org has no external credential Causeway yet. Deploy first.") from None
    except SalesforceError as error:
        where = "Setup › Named Credentials › External Credentials › Causeway › Principals › Causeway"
        text = f"{deploying.explained(error)} You can paste the key there as {package.SECRET}: {where}."
        raise Refusal("not_stored", text) from None


def use_message(org: SalesforceOrg, key: str, *, actor: Person | None, now: datetime) -> None:
    """Deploy the outbound message and its flow (a draft), for orgs that may not call out. Deploying again renews the key.

    The message's address holds the key: administrators of the org can read it there. Refusal `wrong_key`, `not_reachable`,
    `not_deployed` (refused, or still going on).
    """
    _check_key(org, key, now=now)
    why_not = deploying.uncallable(org)
    if why_not:
        raise Refusal("not_reachable", why_not)
    url = f"{django_settings.BASE_URL}{package.PATH}{quote(key.strip(), safe='')}/"
    with client_for(org, domain=DOMAIN) as client:
        there = metadata.read_components(client, "Flow", [flow.MESSAGE_NAME])
        wanted = MetadataPackage(
            messages=(flow.message(url, sender=org.user_name),), components=() if there else (flow.message_flow(),)
        )
        try:
            result = metadata.deploy(client, wanted, deadline=PATIENCE)
        except DeployPending:
            text = "Salesforce is still deploying. Look at Setup › Deployment Status."
            raise Refusal("not_deployed", text) from None
    if not result.success:
        told = next((each.explained for each in result.failures), None)
        raise Refusal("not_deployed", f"{told.sentence} {told.fix}".strip() if told else result.sentence)
    audit.record("provisioning.message_deployed", actor=actor, target=org)


# --- flows ------------------------------------------------------------------------------------------------------------------


def look_at_flows(org: SalesforceOrg) -> tuple[list[flows.FlowState], dict[str, list[str]]]:
    """The templates that the org has, and the active flows that call us by API name, each with those that fire with it."""
    with client_for(org, domain=DOMAIN) as client:
        templates = [found for name in TEMPLATES if (found := flows.find_flow(client, name)) is not None]
        callers = checking.active_callers(client)
        return templates, {name: sorted(checking.rivals_of(name, callers)) for name in sorted(callers)}


def activate(org: SalesforceOrg, name: str, *, instead: bool = False, actor: Person | None, now: datetime) -> list[str]:
    """Make a template the one that calls us; the API names of the flows that were switched off for it.

    Refusal `two_flows` while another active flow calls us and `instead` is not set (ST-38), `no_flow`, `not_a_template`.
    """
    if name not in TEMPLATES:
        raise Refusal("not_a_template", f"{name} is none of our templates; activate it in Setup › Flows.")
    with client_for(org, domain=DOMAIN) as client:
        others = _rivals(client, name)
        if others and not instead:
            text = f"{', '.join(others)} calls Causeway already: both would fire. Switch it off first, or replace it."
            raise Refusal("two_flows", text)
        _switch(client, name, on=True)
        for each in others:  # afterwards, so that there is no moment without any
            _switch(client, each, on=False)
        checking.check(org, client, checking.settings_of(org), now=now)
    audit.record("provisioning.flow_activated", actor=actor, target=org, after={"flow": name, "deactivated": others})
    return others


def _rivals(client: Client, name: str) -> list[str]:
    """The active flows that may start with the same save as this template as the org has it."""
    own = metadata.read_components(client, "Flow", [name])
    callers = {**checking.active_callers(client), **own}
    return sorted(checking.rivals_of(name, callers)) if name in callers else []


def deactivate(org: SalesforceOrg, name: str, *, actor: Person | None, now: datetime) -> None:
    """Switch off a flow that calls us. Refusal `not_ours` for one that does not."""
    with client_for(org, domain=DOMAIN) as client:
        if name not in checking.active_callers(client):
            raise Refusal("not_ours", f"{name} is no active flow that calls Causeway.")
        _switch(client, name, on=False)
        checking.check(org, client, checking.settings_of(org), now=now)
    audit.record("provisioning.flow_deactivated", actor=actor, target=org, after={"flow": name})


def switch_off_all(org: SalesforceOrg, *, actor: Person | None) -> list[str]:
    """Switch off every flow that calls us, for a removal: otherwise each won deal would leave a task about a refused call.

    The API names of the flows. Raises the wire's errors and Refusal `not_switched`.
    """
    with client_for(org, domain=DOMAIN) as client:
        names = sorted(checking.active_callers(client))
        for each in names:
            _switch(client, each, on=False)
    if names:
        audit.record("provisioning.flow_deactivated", actor=actor, target=org, after={"flow": ", ".join(names)})
    return names


def _switch(client: Client, name: str, *, on: bool) -> None:
    try:
        (flows.activate_flow if on else flows.deactivate_flow)(client, name)
    except NotFound:
        raise Refusal("no_flow", f"The org has no flow {name}. Deploy first.") from None
    except SalesforceError as error:
        where = "You can do it in Setup › Process Automation › Flows."
        raise Refusal("not_switched", f"{deploying.explained(error)} {where}") from None
