"""Normal forms: two values match when their forms are equal (PX-D5, PX-D6, R-101). Pure; None never equals anything.

Each form is also SQL (`sql/forms.sql`) for plain values; what the SQL does not call plain is brought here, so both agree.
"""

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal

from integrations.salesforce.ids import to_18
from integrations.salesforce.values import NUMBER
from integrations.sync.matching.domains import ascii_host, host_of_email, host_of_website, registrable_domain

EXTENSION = re.compile(
    r"(?:\b(?:extension|ext|x|durchwahl|poste|int|anexo|ramal)|(?<=\d)\s*(?:ext|x)|#|;)"
    r"[\s.:=]*(?:ext\s*=\s*)?\d+\W*\Z"
)
LONGEST_WHOLE = 38  # digits; what the lake's widest number holds


def id_form(text: str | None) -> str | None:
    """The 18-character id (R-051): 15 characters are case-sensitive and get their checksum; anything else is no id."""
    try:
        return to_18((text or "").strip())
    except ValueError:
        return None


def name_form(text: str | None) -> str | None:
    """Trimmed, runs of white space as one, compatible characters as one, without case and invisible characters."""
    return " ".join(_folded(text or "").split()) or None


def email_form(text: str | None) -> str | None:
    """As a name, and the domain in its ASCII form; None for what is not something@domain without white space."""
    folded = _folded(text or "").strip()
    local, _, domain = folded.rpartition("@")
    host = ascii_host(domain)
    return f"{local}@{host}" if local and host and len(folded.split()) == 1 else None


def phone_form(text: str | None) -> str | None:
    """Digits only, a + before the first digit kept, an extension cut."""
    folded = _folded(text or "").strip()
    digits = _digits(EXTENSION.sub("", folded)) or _digits(folded)
    if not digits:
        return None
    before = next(folded[:place] for place, sign in enumerate(folded) if _digits(sign))
    return ("+" if "+" in before else "") + digits


def text_form(text: str | None) -> str | None:
    """A custom field as it is: trimmed, canonically composed, case kept."""
    return unicodedata.normalize("NFC", (text or "").strip()).strip() or None


def folded_text_form(text: str | None) -> str | None:
    """A custom field without case."""
    return unicodedata.normalize("NFC", (text or "").strip()).casefold().strip() or None


def whole_form(value: str | int | Decimal | None) -> str | None:
    """A whole number without leading zeros, trailing fraction zeros or plus sign: `007`, `7.0` and `7e0` are 7; 7.5 is none."""
    text = str("" if value is None else value).strip()
    if not text.isascii() or not NUMBER.match(text) or len(text) > 2 * LONGEST_WHOLE:
        return None
    number = Decimal(text)
    if number.adjusted() >= LONGEST_WHOLE or number != number.to_integral_value():
        return None
    return str(int(number))


def website_form(text: str | None) -> str | None:
    """The whole host of a web address (PX-D6)."""
    return host_of_website(text or "")


def registrable_website_form(text: str | None) -> str | None:
    """The registrable domain of a web address."""
    return registrable_domain(host_of_website(text or ""))


def email_domain_form(text: str | None) -> str | None:
    """The host of an e-mail address, comparable with a web address (PX-54)."""
    return host_of_email(email_form(text) or "")


def registrable_email_domain_form(text: str | None) -> str | None:
    """The registrable domain of an e-mail address."""
    return registrable_domain(email_domain_form(text))


FORMS: dict[str, Callable[[str | None], str | None]] = {
    "id": id_form,
    "name": name_form,
    "email": email_form,
    "phone": phone_form,
    "text": text_form,
    "folded_text": folded_text_form,
    "whole": whole_form,
    "website": website_form,
    "registrable_website": registrable_website_form,
    "email_domain": email_domain_form,
    "registrable_email_domain": registrable_email_domain_form,
}


def _folded(text: str) -> str:
    """Compatibility-composed and without case, stable under repetition; invisible format characters go."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = unicodedata.normalize("NFKC", plain)
    return "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")


def _digits(text: str) -> str:
    """The decimal digits of any script in `text`, as 0-9."""
    values = (unicodedata.decimal(sign, None) for sign in text)
    return "".join(str(value) for value in values if value is not None)
