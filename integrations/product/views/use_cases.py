"""The gallery of ready-made use cases: one click makes one, as a draft to look at and change (PX-39..PX-42)."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access
from integrations.audit import address_of
from integrations.chosen_org import chosen_org
from integrations.form_tokens import sent_once
from integrations.models import SalesforceOrg
from integrations.product import use_cases as gallery
from integrations.product.health.scoring import BadParts
from integrations.sync.mapping.problems import ProblemsFound


@require_safe
@access("member")
def use_cases(request: HttpRequest) -> HttpResponse:
    """What can be made with one click, and what was made already."""
    return render(request, "product/use_cases.html", {"cards": gallery.read_gallery(_org_of(request))})


@require_POST
@access("operator")
def use_case_create(request: HttpRequest) -> HttpResponse:
    """Make one and show it."""
    key = request.POST.get("case", "")
    with sent_once(request) as sending:
        if sending.is_repeat:
            return redirect(sending.url or "product:use_cases")
        try:
            made = gallery.make_use_case(
                key, org=_org_of(request), user=request.user, now=timezone.now(), address=address_of(request)
            )
        except (Refusal, BadParts, ProblemsFound) as error:
            sending.give_back()
            messages.error(request, error.message if isinstance(error, Refusal) else str(error))
            return redirect("product:use_cases")
        answer = redirect(gallery.PAGES[gallery.CASES[key].kind], pk=made.pk)
        sending.led_to(answer.url)
    messages.success(request, f"{made} is ready. Look at it, change what you like, then switch it on.")
    return answer


def _org_of(request: HttpRequest) -> SalesforceOrg | None:
    """The chosen connection, else the first that is connected, else any."""
    known = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED).order_by("pk")
    return chosen_org(request) or known.filter(state=SalesforceOrg.State.CONNECTED).first() or known.first()
