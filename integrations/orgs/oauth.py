"""OAuth in the browser: authorizing a connection, and "Sign in with Salesforce" for people.

Both backends ride on social-auth for state, redirect and the callback address; tokens are fetched by our own wire (deadlines,
host allow-list, no redirects) and never reach social-auth's tables: a connection's go into the vault, a person's are dropped.
"""

from typing import Any

import structlog
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth import login as django_login
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from social_core.backends.oauth import BaseOAuth2PKCE
from social_core.exceptions import AuthCanceled, AuthSessionError, SocialAuthBaseException

from integrations import audit
from integrations.access import GROUPS, Refusal, domains_of, has_role, role_of
from integrations.fresh import is_fresh, mark_fresh, own_path
from integrations.models import SalesforceIdentity, SalesforceOrg
from integrations.orgs import lifecycle, sign_in, vault
from integrations.salesforce import login as wire
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.hosts import HostRefused, is_allowed
from integrations.salesforce.ids import to_18

log = structlog.get_logger(__name__)
CONNECTION_KEY = "connection_pending"
SIGN_IN_KEY = "signin_pending"
AFTER_KEY = "connection_after"
Method = SalesforceOrg.LoginMethod


class Refused(SocialAuthBaseException):
    """The flow was understood and refused; the message is for the person."""

    def __init__(self, backend: Any, message: str) -> None:
        super().__init__(backend)
        self.message = message


class _Backend(BaseOAuth2PKCE):
    """What both have in common: the host and app of a connection chosen in this session, PKCE, errors as a message."""

    STATE_PARAMETER = True
    REDIRECT_STATE = False
    DEFAULT_USE_PKCE = True
    PKCE_DEFAULT_CODE_VERIFIER_LENGTH = 86
    STATE_LIFETIME = 900
    SCOPE_SEPARATOR = " "
    session_key = ""

    @property
    def web_request(self) -> HttpRequest:
        """The Django request (the base class's `request` is its HTTP client, which is not used here)."""
        return self.strategy.request  # type: ignore[attr-defined]

    def chosen_org(self) -> SalesforceOrg:
        """The connection that this session is authorizing or signing in with."""
        org = SalesforceOrg.objects.filter(pk=self.strategy.session_get(self.session_key) or 0).first()
        if org is None:
            raise Refused(self, "Begin at the connection's page: this browser is not in the middle of a sign-in.")
        return org

    def authorization_url(self) -> str:
        return f"{self.chosen_org().login_url}/services/oauth2/authorize"

    def get_key_and_secret(self) -> tuple[str, str]:
        org = self.chosen_org()
        if not org.client_id:
            raise Refused(self, f"{org.name}: enter the consumer key and secret first.")
        return org.client_id, vault.read(org, vault.Kind.CLIENT_SECRET) or ""

    def get_scope(self) -> list[str]:
        return list(self.DEFAULT_SCOPE or [])

    def auth_extra_arguments(self) -> dict[str, str]:
        return {}

    def start(self) -> HttpResponse:
        try:
            return super().start()
        except (SocialAuthBaseException, Refusal, HostRefused) as error:
            return self.refuse(error)

    def complete(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Finish, or say why not: an error never leaves as a traceback with tokens in its frames (S-092)."""
        try:
            return self.auth_complete(*args, **kwargs)  # type: ignore[return-value]
        except (SocialAuthBaseException, SalesforceError, Refusal, HostRefused) as error:
            return self.refuse(error)

    def request_access_token(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The code for tokens, by our wire: once, over verified TLS, to the connection's own host."""
        org, given = self.chosen_org(), kwargs["data"]
        answer = wire.exchange_code(
            org.login_url,
            client_id=given["client_id"],
            client_secret=given["client_secret"],
            code=given["code"],
            redirect_uri=given["redirect_uri"],
            code_verifier=given["code_verifier"],
            wire=sign_in.wire(),
        )
        return {"access_token": answer.access_token, "answer": answer}

    def user_data(self, access_token: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {}

    def do_auth(self, access_token: str, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        """Straight to our own pipeline: Django's authenticate() would hand the tokens to signals and other backends."""
        kwargs.pop("backend", None)
        return self.run_pipeline(self.strategy.get_pipeline(self), *args, backend=self, **kwargs)  # type: ignore[return-value]

    def refuse(self, error: Exception) -> HttpResponse:
        """A message for the person and the way back."""
        messages.error(self.web_request, self.explain(error))
        return HttpResponseRedirect(self.way_back())

    def explain(self, error: Exception) -> str:
        """What went wrong, without provider text that could carry markup or secrets."""
        if isinstance(error, AuthCanceled):
            return "Access was denied on Salesforce's page. Nothing was changed."
        if isinstance(error, AuthSessionError):
            return "This sign-in was not started here, was used already, or took too long. Please start again."
        if isinstance(error, Refused | Refusal | SalesforceError):
            return error.message
        if isinstance(error, SocialAuthBaseException) and error.detail:
            refused = wire.refusal_of({"error": str(error.provider_code or ""), "error_description": error.detail})
            return refused.message if refused else str(error)
        return str(error)

    def way_back(self) -> str:
        """Where a refused flow returns to; always a path of ours (S-051)."""
        raise NotImplementedError


class SalesforceConnectionOAuth2(_Backend):
    """Authorizes a connection: no account is made or signed in; the grant belongs to the connection chosen in this session."""

    name = "salesforce-connection"
    title = "Salesforce connection"
    DEFAULT_SCOPE: list[str] | None = [*wire.API_SCOPE.split()]
    ASSOCIATION_ONLY = True  # state and verifier are bound to the signed-in person and used once (S-050)
    session_key = CONNECTION_KEY

    def prepare_auth(self, user: Any = None) -> None:
        """Only an admin with a fresh sign-in may begin."""
        self._may_not_begin = (
            "" if _may_connect(self.web_request) else "Only administrators who have just signed in can connect an org."
        )
        if not self._may_not_begin:
            super().prepare_auth(user)

    def start(self) -> HttpResponse:
        if self._may_not_begin:
            return self.refuse(Refused(self, self._may_not_begin))
        return super().start()

    def auth_complete(self, *args: Any, **kwargs: Any) -> Any:
        if not has_role(self.web_request.user, "admin"):
            raise Refused(self, "Only administrators can connect an org.")
        return super().auth_complete(*args, **kwargs)

    def way_back(self) -> str:
        org = SalesforceOrg.objects.filter(pk=self.strategy.session_get(self.session_key) or 0).first()
        if org is None or not has_role(self.web_request.user, "admin"):
            return reverse("integrations:connections")
        return reverse("integrations:connection_credentials", kwargs={"pk": org.pk})


def _may_connect(request: HttpRequest) -> bool:
    return has_role(request.user, "admin") and is_fresh(request)


def connect_org(*, backend: SalesforceConnectionOAuth2, response: dict[str, Any], **_: Any) -> HttpResponse:
    """Pipeline of a connection: pin the org, check the grant, store the tokens in the vault, check access."""
    request, org, now = backend.web_request, backend.chosen_org(), timezone.now()
    lifecycle.complete_authorization(org, response["answer"], actor=request.user, address=audit.address_of(request), now=now)
    request.session.pop(CONNECTION_KEY, None)
    messages.success(request, f"{org.name} is connected.")
    after = request.session.pop(AFTER_KEY, "")
    return HttpResponseRedirect(after or reverse("integrations:connection_check", kwargs={"pk": org.pk}))


class SalesforceSignIn(_Backend):
    """Signs a person in with their Salesforce user. Asks for identity only, no access to data."""

    name = "salesforce-signin"
    title = "Salesforce"
    DEFAULT_SCOPE: list[str] | None = [*wire.SIGN_IN_SCOPE.split()]
    session_key = SIGN_IN_KEY

    def prepare_auth(self, user: Any = None) -> None:
        """The org comes with the form; only one that an admin has opened for sign-in is taken."""
        chosen = str(self.web_request.POST.get("org", ""))
        offered = [org.pk for org in sign_in_orgs()]
        wanted = int(chosen) if chosen.isdecimal() else offered[0] if len(offered) == 1 else 0
        self.strategy.session_set(SIGN_IN_KEY, wanted if wanted in offered else None)

    def chosen_org(self) -> SalesforceOrg:
        org = super().chosen_org()
        if org not in sign_in_orgs():
            raise Refused(self, "Signing in with this org is not offered.")
        return org

    def way_back(self) -> str:
        return reverse("login")


def sign_in_orgs() -> list[SalesforceOrg]:
    """Connections that people may sign in with, for the sign-in page."""
    return list(SalesforceOrg.objects.filter(sign_in_enabled=True, state=SalesforceOrg.State.CONNECTED).exclude(client_id=""))


def sign_person_in(*, backend: SalesforceSignIn, response: dict[str, Any], **_: Any) -> HttpResponse:
    """Pipeline of a person: find their account, start a new session, drop the token."""
    request, org, answer = backend.web_request, backend.chosen_org(), response["answer"]
    if not is_allowed(answer.instance_url, demo_origin=sign_in.wire().demo_origin):
        raise Refused(backend, "Salesforce named an address outside its own domains.")
    claims = wire.read_userinfo(answer.instance_url, access_token=answer.access_token, wire=sign_in.wire())
    if not answer.org_id or to_18(answer.org_id) != org.org_id:
        raise Refused(backend, f"This Salesforce user does not belong to {org.name}.")
    user = _account_of(backend, org, answer.user_id, claims)
    address = audit.address_of(request)
    if user is None:
        audit.record("signin.refused", target=str(claims.get("preferred_username", ""))[:150], address=address)
        raise Refused(backend, "There is no account for this Salesforce user here. Ask an administrator to link it.")
    after = request.session.get("next")
    django_login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    mark_fresh(request)
    audit.record("signin.salesforce", actor=user, target=org, address=address)
    return HttpResponseRedirect(own_path(request, after, reverse("home")))


def _account_of(backend: SalesforceSignIn, org: SalesforceOrg, user_id: str, claims: dict[str, Any]) -> Any:
    """The active account linked to the Salesforce user; else the one member with the same verified e-mail, linked now.

    Accounts with more rights than a member are never found by e-mail: an org's admin can give any user any address. They are
    linked in the back office. New accounts, if allowed, are plain members.
    """
    identity = SalesforceIdentity.objects.filter(org_id=org.org_id, salesforce_user_id=user_id).select_related("user").first()
    if identity is not None:
        return identity.user if identity.user.is_active else None
    email = str(claims.get("email") or "")
    if not user_id or not email or claims.get("email_verified") is not True:
        return None
    people = list(get_user_model().objects.filter(email__iexact=email)[:2])
    if len(people) == 1 and _may_be_found(people[0]):
        return _link(people[0], org, user_id, claims)
    if people or not backend.setting("CREATE_MEMBERS", False):
        return None
    return _create_member(org, user_id, claims, email, str(backend.setting("NEW_ROLE", "member")))


def _may_be_found(user: Any) -> bool:
    return user.is_active and not user.is_staff and role_of(user) == "member" and not domains_of(user)


def _link(user: Any, org: SalesforceOrg, user_id: str, claims: dict[str, Any]) -> Any:
    username = str(claims.get("preferred_username") or "")[:255]
    SalesforceIdentity.objects.create(user=user, org_id=org.org_id, salesforce_user_id=user_id, username=username)
    audit.record("signin.linked", actor=user, target=f"{org} {username}")
    return user


def _create_member(org: SalesforceOrg, user_id: str, claims: dict[str, Any], email: str, role: str) -> Any:
    """A member, or a viewer where the setting says so; whoever is to do more is given that by a person."""
    people = get_user_model().objects
    try:
        with transaction.atomic():
            user = people.create_user(email[:150], email=email)  # type: ignore[attr-defined]
            user.first_name = str(claims.get("given_name") or "")[:150]
            user.last_name = str(claims.get("family_name") or "")[:150]
            user.set_unusable_password()
            user.save()
            if role == "viewer":
                user.groups.add(Group.objects.get_or_create(name=GROUPS["viewer"])[0])
            return _link(user, org, user_id, claims)
    except IntegrityError:
        return None
