"""The page on which people in Salesforce are given a permission set: the names typed, and what became of each."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.salesforce.errors import SalesforceError


def assign_typed(
    request: HttpRequest, org: SalesforceOrg, assign: Callable[[list[str]], Mapping[str, str]], *,
    explain: Callable[[Exception], str] = str,
) -> dict[str, Any]:  # fmt: skip
    """What the page shows: `text` as it was typed (a name a line, or with commas) and `found`, what became of each name."""
    text = request.POST.get("usernames", "")
    found: list[tuple[str, str]] = []
    if request.method == "POST":
        try:
            found = list(assign(text.replace(",", "\n").splitlines()).items())
        except (SalesforceError, Refusal) as error:
            messages.error(request, f"{org} could not be asked: {explain(error)}")
    return {"org": org, "text": text, "found": found}
