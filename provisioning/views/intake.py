"""`POST /api/v1/provisioning/salesforce/`: where a flow's callout and outbound messages of an org arrive.

No session and no CSRF: the key is the only way in, in `Authorization: Bearer|Api-Key ...`, in `X-Api-Key`, or, for outbound
messages, which cannot send headers, at the end of the address. A caller that can sign sends a signature instead (S-080). No
body is read before the key is known.
"""

import time
from datetime import datetime

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from integrations import audit
from integrations.access import access
from integrations.orgs.usage import measuring
from integrations.orgs.vault import VaultLocked
from provisioning.connection import PREFIX_LENGTH, find_key, find_signers
from provisioning.models import Provision, ProvisioningSettings
from provisioning.provision import intake, messages, signing
from provisioning.provision.intake import Reply

MOST_BYTES = 1024 * 1024
WORDS = ("bearer", "api-key")
NOTED_A_MINUTE = 5  # refused calls of one address that are written down
XML_TYPES = ("text/xml", "application/xml", "application/soap+xml")


@csrf_exempt
@require_POST
@access("anonymous")
def receive(request: HttpRequest, key: str = "") -> HttpResponse:
    """Take a call of an org; the answer says what became of each deal, and `Server-Timing` how long Salesforce took of it."""
    clock, now, address = time.monotonic(), timezone.now(), audit.address_of(request)
    is_xml = request.content_type in XML_TYPES
    signed, keys = signing.read(request.headers), list[str]()
    try:
        settings, keys = _settings_of(request, signed, key, now)
    except VaultLocked:
        return _answer(Reply(503, "locked", "Signatures cannot be checked now; send it again later."), is_xml=is_xml)
    if settings is None:
        refusal = Reply(401, "wrong_key", "This integration key is unknown, or was replaced or revoked.")
        _note_stranger(refusal, address, is_xml, clock)
        return _answer(refusal, is_xml=is_xml)
    body, refusal = _read(request)
    if refusal is None:
        refusal = _doubt(settings, signed, body, keys, now)
        if refusal is not None and refusal.verdict in signing.FROM_ANYBODY:
            _note_stranger(refusal, address, is_xml, clock)
            return _answer(refusal, is_xml=is_xml)
    if refusal is None:
        try:
            source, hint = intake.read_message(body, is_xml=is_xml)
        except messages.BadMessage as bad:
            refusal = Reply(400, bad.code, bad.message)
        else:
            message_id = signed.delivery if signed else ""
            with measuring() as waited:
                reply = intake.handle(settings, hint, source=source, address=address, now=now, message_id=message_id)
            answer = _answer(reply, is_xml=is_xml)
            answer["Server-Timing"] = f"salesforce;dur={waited.seconds * 1000:.1f}, total;dur={_since(clock) * 1000:.1f}"
            return answer
    _note(refusal, settings, address, is_xml, clock)
    return _answer(refusal, is_xml=is_xml)


def _settings_of(
    request: HttpRequest, signed: signing.Signed | None, key: str, now: datetime
) -> tuple[ProvisioningSettings | None, list[str]]:
    """The connection that the key belongs to, and what a signature is checked with."""
    presented = _presented(request) or key
    if signed is None:
        return find_key(presented, now=now), []
    if presented and find_key(presented, now=now) is None:
        return None, []
    return find_signers(signed.key or presented[:PREFIX_LENGTH], now=now) or (None, [])


def _doubt(
    settings: ProvisioningSettings, signed: signing.Signed | None, body: bytes, keys: list[str], now: datetime
) -> Reply | None:
    """What stands against the signature, or against having none."""
    if signed is None:
        if not settings.require_signature:
            return None
        return Reply(401, "unsigned", f"This connection takes signed calls only; sign with {signing.SIGNATURE}.")
    doubt = signing.doubt_of(signed, body, keys=keys, now=now)
    return Reply(401, doubt.code, doubt.message) if doubt else None


def _presented(request: HttpRequest) -> str:
    word, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if word.lower() in WORDS:
        return secret.strip()
    return request.META.get("HTTP_X_API_KEY", "").strip()


def _read(request: HttpRequest) -> tuple[bytes, Reply | None]:
    """The body, when it says its size and is not too large (S-084)."""
    size = request.META.get("CONTENT_LENGTH") or "0"
    if not size.isdecimal() or int(size) > MOST_BYTES:
        return b"", Reply(413, "too_large", "A message has at most 1 MB.")
    return request.body, None


def _answer(reply: Reply, *, is_xml: bool) -> HttpResponse:
    if is_xml:
        text = messages.write_ack(taken=True) if reply.is_taken or reply.status == 404 else messages.write_fault(reply.message)
        status = 200 if reply.is_taken or reply.status == 404 else reply.status
        return HttpResponse(text, content_type="text/xml; charset=utf-8", status=status)
    first = reply.outcomes[0].as_dict() if reply.outcomes else {}
    body = {**first, "status": reply.verdict, "message": reply.message}
    if reply.outcomes:
        body["results"] = [each.as_dict() for each in reply.outcomes]
    else:
        body["error"] = {"code": reply.verdict, "message": reply.message}
    headers = {"WWW-Authenticate": "Bearer"} if reply.status == 401 else None
    return JsonResponse(body, status=reply.status, headers=headers)


def _since(clock: float) -> float:
    return time.monotonic() - clock


def _source(is_xml: bool) -> str:
    return Provision.Source.MESSAGE if is_xml else Provision.Source.CALLOUT


def _note(reply: Reply, settings: ProvisioningSettings, address: str | None, is_xml: bool, clock: float) -> None:
    intake.note(reply, org=settings.org, source=_source(is_xml), address=address, clock=clock, now=timezone.now())


def _note_stranger(reply: Reply, address: str | None, is_xml: bool, clock: float) -> None:
    """Somebody without a key: written down a few times a minute, so that guessing costs us nothing (S-110)."""
    counter = f"provisioning-strangers-{address}"
    noted = int(cache.get(counter) or 0)
    if noted < NOTED_A_MINUTE:
        cache.set(counter, noted + 1, 60)
        intake.note(reply, org=None, source=_source(is_xml), address=address, clock=clock, now=timezone.now())
        audit.record("provisioning.key_refused", target="provisioning/salesforce", address=address)
