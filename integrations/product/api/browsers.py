"""How browsers and apps are let in: write keys, the origins that may use them, a throttle of their own.

A view set for both write keys and API keys inherits from `BrowserView`. No answer ever allows credentials, so a page of
another origin can do nothing with somebody's session (S-101).
"""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions, throttling
from rest_framework.request import Request
from rest_framework.views import APIView

from integrations import audit
from integrations.api.access import ApiKeyAuthentication, HasScope
from integrations.product.ingest import write_keys
from integrations.product.models import WriteKey

WINDOW = 60  # seconds
PER_ADDRESS, PER_KEY, PER_SERVER = 600, 30_000, 3_000  # requests a minute: one visitor, all visitors, one API key
METHODS, HEADERS = "GET, POST, OPTIONS", "Authorization, Content-Type"


class WriteKeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Write-Key cwk_...`, or `?key=` where a browser cannot send headers (navigator.sendBeacon)."""

    def authenticate(self, request: Request) -> tuple[Any, WriteKey] | None:
        """Nobody and the key; None without one; 401 for a wrong or revoked key, 403 for a foreign origin."""
        word, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if word.lower() != "write-key":
            text = "" if word else request.query_params.get("key", "")
        if not text and word.lower() != "write-key":
            return None
        key = write_keys.find(text.strip(), now=timezone.now())
        if key is None:
            raise exceptions.AuthenticationFailed("This write key is unknown or revoked.")
        origin = request.META.get("HTTP_ORIGIN", "")
        if origin and not write_keys.may_use(key, origin):
            raise exceptions.PermissionDenied(f"Pages of {origin[:200]} may not use this key; add the origin to the key.")
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return "Write-Key"


class WriteKeyScheme(OpenApiAuthenticationExtension):
    """How the reference at /api/docs/ explains write keys."""

    target_class = WriteKeyAuthentication
    name = "writeKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Write-Key cwk_...`, for browsers"}


class HasKeyOrScope(HasScope):
    """A write key may do what the view names in `write_key_actions`; others need the view's scope and role."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, WriteKey):
            return getattr(view, "action", None) in getattr(view, "write_key_actions", ())
        return super().has_permission(request, view)


class BrowserThrottle(throttling.BaseThrottle):
    """A count a minute in the cache: by key and address for write keys, by key or person for others (S-096)."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether this one is within the limits."""
        window = int(timezone.now().timestamp()) // WINDOW
        return all(_count(f"events-{who}-{window}") <= most for who, most in self._limits(request))

    def wait(self) -> float:
        """Seconds until the next window."""
        return WINDOW - timezone.now().timestamp() % WINDOW

    def _limits(self, request: Request) -> list[tuple[str, int]]:
        if isinstance(request.auth, WriteKey):
            key = f"write-key-{request.auth.pk}"
            return [(f"{key}-{audit.address_of(request._request)}", PER_ADDRESS), (key, PER_KEY)]
        if request.auth is not None:
            return [(f"key-{request.auth.pk}", PER_SERVER)]
        person = request.user.pk if request.user and request.user.is_authenticated else audit.address_of(request._request)
        return [(f"person-{person}", PER_ADDRESS)]


def _count(name: str) -> int:
    """How often this was counted in its window, this one included."""
    if cache.add(name, 1, WINDOW * 2):
        return 1
    try:
        return cache.incr(name)
    except ValueError:  # it ran out between the two calls
        return 1


class BrowserView(APIView):
    """What view sets for browsers share: who is let in, preflights, and which origins may read the answer."""

    authentication_classes = [ApiKeyAuthentication, WriteKeyAuthentication, authentication.SessionAuthentication]
    permission_classes = [HasKeyOrScope]
    throttle_classes = [BrowserThrottle]
    write_key_actions: tuple[str, ...] = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A preflight carries no key, so it is answered by origin alone."""
        if request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META:
            return _answer_preflight(request)
        return super().dispatch(request, *args, **kwargs)  # pyright: ignore[reportReturnType]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let the page read the answer when its origin may use the key."""
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(response, ("Origin",))
        origin = request.META.get("HTTP_ORIGIN", "")
        key = getattr(request, "_auth", None)
        if origin and isinstance(key, WriteKey) and write_keys.may_use(key, origin):
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = "Retry-After"
        return response


def _answer_preflight(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(status=204)
    patch_vary_headers(response, ("Origin",))
    origin = request.META.get("HTTP_ORIGIN", "")
    if write_keys.is_known_origin(origin):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = METHODS
        response["Access-Control-Allow-Headers"] = HEADERS
        response["Access-Control-Max-Age"] = "600"
    return response
