"""What the viewsets of this domain share."""

from typing import Any

from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from integrations.models import SalesforceOrg


class OkrViewSet(viewsets.GenericViewSet):
    """Scope `okr`, members and up; verbs decide about the rest."""

    scope, role = "okr", "member"
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]+"


def number_in(request: Request, name: str) -> int | None:
    """A whole number of the query string; None when it is not given, 400 when it is something else (R-282)."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise ValidationError({name: ["A whole number is needed."]})
    return int(text)


def numbers_in(request: Request, *names: str) -> dict[str, int | None]:
    """Several of them, by name."""
    return {name: number_in(request, name) for name in names}


def connection_in(request: Request) -> SalesforceOrg:
    """The connection that the query string names; 400 when it does not."""
    number = number_in(request, "connection")
    found = SalesforceOrg.objects.filter(pk=number).first() if number else None
    if found is None:
        raise ValidationError({"connection": ["Name a connection by its number."]})
    return found
