"""What is asked of Salesforce and why, for the security page (FZ-10..FZ-14, FZ-D1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from analytics.attributes.authoring import current_map
from analytics.attributes.body import MapBody, fields_needed
from analytics.attributes.catalogue import PERSONAL, SYNCED
from analytics.connecting.estimate import group_of
from analytics.models import AnalyticsSettings
from integrations.models import SalesforceOrg
from integrations.salesforce.login import API_SCOPE

LOGIN_WORDS = {
    SalesforceOrg.LoginMethod.WEB: "OAuth 2.0 authorization code with PKCE",
    SalesforceOrg.LoginMethod.JWT: "OAuth 2.0 JWT bearer",
    SalesforceOrg.LoginMethod.CLIENT_CREDENTIALS: "OAuth 2.0 client credentials",
    SalesforceOrg.LoginMethod.PASSWORD: "User name, password and token (legacy)",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope, Salesforce's words for it, why it is asked for. `also` are scopes that give the same or are part of it."""

    name: str
    label: str
    why: str
    also: tuple[str, ...] = ()


SCOPES: tuple[Scope, ...] = (
    Scope("api", "Manage user data via APIs", "Reads records through the REST API and Bulk API 2.0, with the rights of the "
          "user who signed in and nothing beyond them.", ("chatter_api",)),
    Scope("id", "Access the identity URL service", "Says which user and org the connection belongs to, so that it cannot be "
          "pointed to another org by mistake.", ("profile", "email", "address", "phone")),
    Scope("refresh_token", "Perform requests at any time", "The daily sync runs while nobody is signed in. Revoking the "
          "connection ends it at once.", ("offline_access",)),
)  # fmt: skip
ABOUT_SCOPES = "https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_tokens_scopes.htm"
"""Where Salesforce explains scopes (FZ-13)."""
NEVER_ASKED = ("full", "web")
"""Scopes that are refused even where they would be granted: they allow more than is needed."""


@dataclass(frozen=True, slots=True)
class ObjectRead:
    """One object with the fields that are read."""

    name: str
    group: str
    fields: tuple[str, ...]
    is_personal: bool


@dataclass(frozen=True)
class Place:
    """One connection: how it signs in, which scopes Salesforce granted, what is read."""

    org: SalesforceOrg
    way: str
    granted: Sequence[str]
    missing: Sequence[str]
    excess: Sequence[str]
    objects: Sequence[ObjectRead]
    is_started: bool


def read_places() -> list[Place]:
    """Every connection that is or was connected, with what analytics reads of it."""
    orgs = SalesforceOrg.objects.exclude(state__in=(SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED))
    return [_place(org) for org in orgs.filter(analytics_enabled=True)]


def _place(org: SalesforceOrg) -> Place:
    settings = AnalyticsSettings.objects.filter(org=org).first()
    granted, found = org.scope.split(), current_map(org)
    is_started = settings is not None and settings.started_at is not None
    way = LOGIN_WORDS.get(SalesforceOrg.LoginMethod(org.login_method), "")
    return Place(
        org, way, granted, missing_scopes(org.login_method, granted),
        [each for each in granted if each in NEVER_ASKED], objects_read(found[0]) if found is not None else [],
        is_started,
    )  # fmt: skip


def missing_scopes(login_method: str, granted: Sequence[str]) -> list[str]:
    """Scopes that are needed and were not granted. A refresh token is needed only where a person signed in with a browser."""
    if not granted or login_method == SalesforceOrg.LoginMethod.PASSWORD:
        return []
    have = set(granted)
    wanted = [each for each in SCOPES if each.name in API_SCOPE.split()]
    if login_method != SalesforceOrg.LoginMethod.WEB:
        wanted = [each for each in wanted if each.name != "refresh_token"]
    return [each.name for each in wanted if not have & {each.name, *each.also, "full"}]


def objects_read(body: MapBody) -> list[ObjectRead]:
    """Objects and fields that this map makes us read, by the four groups of data."""
    order = [key for key, _ in SYNCED]
    labels = dict(SYNCED)
    personal = {source.holder for key in PERSONAL if (source := body.get(key)) is not None}
    rows = [(group_of(name, body), name, fields) for name, fields in fields_needed(body).items()]
    rows.sort(key=lambda row: (order.index(row[0]), row[1]))
    return [ObjectRead(name, labels[group], fields, name in personal) for group, name, fields in rows]
