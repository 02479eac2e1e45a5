"""The set-up in Salesforce step by step, each with what the last check knows of it (ST-11 to ST-28, ST-38).

Pure text from the connection's state; the page renders it, so that what is said and what is checked cannot disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from integrations.models import SalesforceOrg
from provisioning.models import ProvisioningSettings
from provisioning.salesforce import flow, package
from provisioning.salesforce.checking import Lack

DONE, OPEN, ADVISED, UNKNOWN = "done", "open", "advised", "unknown"
BADGES = {DONE: ("healthy", "Done"), OPEN: ("action", "To do"), ADVISED: ("degraded", "Recommended"),
          UNKNOWN: ("queued", "Not checked yet")}  # fmt: skip
ELSEWHERE = ("Flow", "NamedCredential", "ExternalCredential", "PermissionSet")
CALLS = ("no_credential", "no_key", "key_not_stored")


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `where` is the path in Salesforce, `rest` what the latest check says of it; `do` names the page's button."""

    key: str
    title: str
    text: str
    state: str
    where: str = ""
    do: str = ""
    rest: tuple[Lack, ...] = field(default=())

    @property
    def badge(self) -> tuple[str, str]:
        """Tone and words of the state."""
        return BADGES[self.state]


def steps_of(org: SalesforceOrg, settings: ProvisioningSettings, lacks: Sequence[Lack], *, can_call: bool) -> list[Step]:
    """The steps in the order of doing."""
    checked = settings.checked_at is not None
    key = _key(settings, lacks, checked=checked, can_call=can_call)
    activate = _activate(lacks, checked=checked, can_call=can_call)
    people = _people(lacks, checked=checked)
    return [_connect(org), _deploy(lacks, checked=checked), people, key, _map(settings, lacks, checked=checked), activate]


def _connect(org: SalesforceOrg) -> Step:
    text = (
        "Causeway signs in to the org as a user of its own. The org needs Enterprise Edition or higher for flows that call "
        "out; you need an administrator of it for the next steps."
    )
    state = DONE if org.is_connected else OPEN
    return Step("connect", "Connect the org", text, state, "External Client App Manager › New External Client App", "connect")


def _deploy(lacks: Sequence[Lack], *, checked: bool) -> Step:
    rest = tuple(each for each in lacks if each.object not in ELSEWHERE and each.code != "no_mapping")
    text = (
        "Creates the mapping fields on products and lines, the id and address fields on accounts and opportunities, two "
        "permission sets, the flow (as a draft) and what it needs to call, and puts the fields on your page layouts. Nothing "
        "that is there is changed; only Causeway's own user may use what arrives. An administrator can deploy the file instead."
    )
    missing = any(each.code == "no_credential" for each in lacks)
    stops = any(not each.is_advice for each in rest)
    state = UNKNOWN if not checked else OPEN if stops else ADVISED if rest or missing else DONE
    return Step("deploy", "Put it into Salesforce", text, state, "Setup › Deployment Status", "deploy", rest)


def _people(lacks: Sequence[Lack], *, checked: bool) -> Step:
    rest = tuple(each for each in lacks if each.code == "no_people")
    text = (
        f"Give “{package.READERS_LABEL}” to everybody who keeps products or wins opportunities: they then see the fields, may "
        "set what a product leads to, and a flow may call Causeway when they save. Without it their wins are found by the poll."
    )
    where = f"Setup › Permission Sets › {package.READERS_LABEL} › Manage Assignments"
    deployed = not any(each.code in ("no_credential", "not_checked") for each in lacks)
    state = UNKNOWN if not checked else DONE if deployed and not rest else ADVISED
    return Step("people", "Let people see and call", text, state, where, "people", rest)


def _key(settings: ProvisioningSettings, lacks: Sequence[Lack], *, checked: bool, can_call: bool) -> Step:
    rest = tuple(each for each in lacks if each.code in CALLS and each.code != "no_credential")
    text = (
        "The flow shows an integration key when it calls. Make one here and let Causeway store it in Salesforce, or paste it "
        f"there yourself as the parameter {package.SECRET} of the principal {package.PRINCIPAL}."
    )
    if not can_call:
        state = ADVISED
    elif not settings.callout_key_digest:
        state = OPEN
    else:
        state = UNKNOWN if not checked else ADVISED if rest else DONE
    where = f"Setup › Named Credentials › External Credentials › {package.CREDENTIAL} › Principals › {package.PRINCIPAL} › Edit"
    return Step("key", "Store the integration key", text, state, where, "key", rest)


def _map(settings: ProvisioningSettings, lacks: Sequence[Lack], *, checked: bool) -> Step:
    rest = tuple(each for each in lacks if each.code == "no_mapping")
    fields = any(each.object == package.PRODUCT and not each.is_advice for each in lacks)
    state = UNKNOWN if not checked else ADVISED if rest or fields else DONE
    text = (
        f"Say on each product what it leads to: {settings.type_field} is Plan, Add-on or Entitlement, {settings.id_field} the "
        "id in the catalogue (plan-..., addon-... or feature-...). Products are the best place, also with price books and CPQ; "
        "a value on an opportunity or quote line is stronger than the product's."
    )
    return Step("map", "Map products", text, state, "App Launcher › Products › a product", "map", rest)


def _activate(lacks: Sequence[Lack], *, checked: bool, can_call: bool) -> Step:
    rest = tuple(each for each in lacks if each.object == "Flow")
    text = (
        f"Activate “{flow.LABEL}”: it calls Causeway when an opportunity is won. To change it, open it, choose Save As New "
        "Flow, change and activate the copy, and deactivate the template: of flows that call Causeway exactly one should be "
        "active."
    )
    if not can_call:
        return Step("flow", "Activate the flow", text, ADVISED, "Setup › Process Automation › Flows", "flow", rest)
    state = UNKNOWN if not checked or any(each.code == "not_checked" for each in rest) else ADVISED if rest else DONE
    return Step("flow", "Activate the flow", text, state, "Setup › Process Automation › Flows", "flow", rest)
