"""How API requests are let in and answered: keys with scopes, throttling by key, one shape for errors."""

from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions, permissions, throttling
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import audit
from integrations.access import Refusal, denial_of, denial_somewhere, domain_of
from integrations.models import ApiKey

if TYPE_CHECKING:  # rest_framework.views imports this module while it is being imported itself
    from rest_framework.views import APIView


WRONG_KEYS = 10  # S-056: guesses from one address before it has to wait
WRONG_KEYS_WAIT = 15 * 60  # seconds


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Api-Key prefix.secret`. The request acts as the key's owner."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        """The owner and the key, None without the header; 401 for a wrong, revoked or expired key, 429 for guessing."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        word, _, secret = header.partition(" ")
        if word.lower() != "api-key":
            return None
        guesses = f"wrong-keys-{audit.address_of(request._request)}"
        if cache.get(guesses, 0) >= WRONG_KEYS:
            raise exceptions.Throttled(wait=WRONG_KEYS_WAIT)
        key = _key_of(secret.strip())
        if key is None:
            cache.add(guesses, 0, WRONG_KEYS_WAIT)
            cache.incr(guesses)
            audit.record("api_key.refused", target=secret[:4].replace("\0", ""), address=audit.address_of(request._request))
            raise exceptions.AuthenticationFailed("This API key is unknown, revoked or expired.")
        now = timezone.now()
        if key.last_used_at is None or (now - key.last_used_at).total_seconds() > 60:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"


def _key_of(secret: str) -> ApiKey | None:
    """The key if it may be used now."""
    if "\0" in secret:  # PostgreSQL takes no such text
        return None
    try:
        key = ApiKey.objects.get_from_key(secret)  # pyright: ignore[reportAttributeAccessIssue]
    except ApiKey.DoesNotExist:
        return None
    return key if not key.has_expired and key.owner.is_active else None


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the reference at /api/docs/ explains keys."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key` and the key, as in `Authorization: Api-Key abc.def`",
        }


class HasScope(permissions.BasePermission):
    """The view's `scope` word (such as okr) with :read or :write, and the view's `role` (default member) in the view's domain.

    A key never does more than its owner may at this moment: whoever loses a role takes the rights of their keys with it.

    A key that is bound to customers is let in only to the actions that a view names in `bound_actions`, because these ask which
    customers it may reach (S-079).
    """

    message: str | None = None

    def has_permission(self, request: Request, view: "APIView") -> bool:
        role = getattr(view, "role", "member")
        write_role = getattr(view, "write_role", role)
        safe = request.method in permissions.SAFE_METHODS
        domain = domain_of(type(view).__module__)
        person = request.user
        needed = role if safe else write_role
        reason = "Sign in first."
        if person and getattr(view, "each_domain", False):  # the view asks whose the thing is
            reason = denial_somewhere(person, needed, changes=not safe)
        elif person:
            reason = denial_of(person, needed, domain, changes=not safe)
        if reason:
            self.message = reason
            return False
        if isinstance(request.auth, ApiKey):
            if request.auth.bound and getattr(view, "action", None) not in getattr(view, "bound_actions", ()):
                self.message = "This key is bound to customers: it checks, consumes and reports usage for them, nothing else."
                return False
            scope = getattr(view, "scope", None)
            return scope is not None and f"{scope}:{'read' if safe else 'write'}" in request.auth.scopes
        return True


class PerKeyThrottle(throttling.SimpleRateThrottle):
    """Counts by key, else by person, else by address (S-096)."""

    scope = "api"

    def get_cache_key(self, request: Request, view: "APIView") -> str:
        if isinstance(request.auth, ApiKey):
            who = f"key-{request.auth.pk}"
        elif request.user and request.user.is_authenticated:
            who = f"user-{request.user.pk}"
        else:
            who = self.get_ident(request)
        return f"throttle-{self.scope}-{who}"


def explain_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler plus `Refusal`, always `{"error": {"code", "message", "fields"?}}`."""
    if isinstance(error, exceptions.PermissionDenied) or getattr(error, "status", 0) == 403:
        _note_denial(context["request"])
    if isinstance(error, Refusal):
        return Response({"error": {"code": error.code, "message": error.message}}, status=error.status)
    from rest_framework.views import exception_handler

    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        body: dict[str, Any] = {"code": "invalid", "message": "Some fields need attention.", "fields": response.data}
    else:
        detail = getattr(error, "detail", None)
        code = getattr(detail, "code", None) or getattr(error, "default_code", "error")
        body = {"code": code, "message": str(detail) if detail else "Not found."}
    response.data = {"error": body}
    return response


def _note_denial(request: Request) -> None:
    """Who tries doors is in the audit (S-110)."""
    if request.user and request.user.is_authenticated:
        target = f"{request.method} {request.path}"
        audit.record("access.denied", actor=request.user, target=target, address=audit.address_of(request._request))
