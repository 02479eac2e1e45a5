"""`/api/v1/knowledge/`: published Salesforce Knowledge articles for help bots (PX-66)."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound as NothingThere
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.product.api.browsers import BrowserView
from integrations.product.knowledge import reading, sources
from integrations.product.knowledge.shapes import to_json
from integrations.product.models import WriteKey
from integrations.salesforce.errors import NotFound

LANGUAGE = OpenApiParameter("language", str, description="Such as en_US or de; the connection's usual one if left out.")
ORG = OpenApiParameter("org", int, description="Number of a connection; the first that shows articles if left out.")
SHOWN_AS_EMPTY = frozenset(("no_knowledge", "channel_hidden", "no_source"))
LISTED = {
    "available": True, "message": "", "language": "en_US", "languages": ["en_US", "de"], "stale_since": None,
    "results": [{"id": "kA0000000000001AAA", "number": "000000002", "title": "Reset your password", "summary": "What to do …",
                 "url_name": "Reset-your-password", "language": "en_US", "published_at": "2026-10-30T10:30:00Z"}],
}  # fmt: skip


@extend_schema(tags=["knowledge"])
class KnowledgeViewSet(BrowserView, ViewSet):
    """A write key may ask, or an API key with scope `product`; people need to be analysts."""

    scope, role, write_role = "product", "analyst", "operator"
    write_key_actions = ("list", "retrieve")
    lookup_value_regex = "[0-9A-Za-z]{1,40}"

    @extend_schema(
        operation_id="knowledge_search",
        parameters=[OpenApiParameter("q", str, description="Words to search; the newest articles if left out."), LANGUAGE, ORG,
                    OpenApiParameter("limit", int, description="At most 50; 10 if left out.")],
        responses=OpenApiTypes.OBJECT, examples=[OpenApiExample("One article", value=LISTED, response_only=True)],
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        """Articles that hold all words, else any of them, the most fitting first. `available` is false, with a message, when
        the org has no Knowledge; `stale_since` says that Salesforce could not be asked and the answer is an older one."""
        text, limit = request.query_params.get("q", ""), _limit(request)
        if len(text) > reading.LONGEST_TEXT:
            raise ValidationError({"q": [f"At most {reading.LONGEST_TEXT} characters."]})
        try:
            found = reading.search_articles(
                _org(request), text, language=_language(request), limit=limit, visitor=_is_visitor(request), now=timezone.now()
            )
        except Refusal as refusal:
            if refusal.code not in SHOWN_AS_EMPTY:
                raise
            return Response(_listed(available=False, message=refusal.message))
        hits = [to_json(each) for each in found.hits]
        return Response(_listed(hits, language=found.language, stale_since=found.stale_since, languages=found.languages))

    @extend_schema(operation_id="knowledge_read", parameters=[LANGUAGE, ORG], responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str = "") -> Response:
        """One article with its text as harmless HTML (no scripts, styles or pictures)."""
        try:
            found = reading.read_one(
                _org(request), pk, language=_language(request), visitor=_is_visitor(request), now=timezone.now()
            )
        except NotFound:
            raise NothingThere("There is no such article, or it is not published here.") from None
        return Response({**to_json(found.article), "stale_since": found.stale_since})


def _listed(results: Any = (), *, available: bool = True, message: str = "", **more: Any) -> dict[str, Any]:
    plain = {"available": available, "message": message, "language": "", "languages": [], "stale_since": None}
    return {**plain, **more, "results": list(results)}


def _is_visitor(request: Request) -> bool:
    return isinstance(request.auth, WriteKey)


def _org(request: Request) -> SalesforceOrg:
    text = request.query_params.get("org", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValidationError({"org": ["A whole number is needed."]})
    return sources.choose_org(int(text) if text else None)


def _language(request: Request) -> str:
    text = request.query_params.get("language", "").strip()
    if len(text) > 10 or not text.replace("_", "").replace("-", "").isascii():
        raise ValidationError({"language": ["A language is written like en_US or de."]})
    return text


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 6 and int(text)):
        raise ValidationError({"limit": ["A whole number from 1 on is needed."]})
    return min(int(text), reading.MOST) if text else reading.USUAL
