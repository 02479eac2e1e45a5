"""The normal forms as SQL, for plain values (printable ASCII of the usual shape): the engine does millions of them at once.

An expression gives the form, or '' for a value that it does not call plain; such values go to `forms.py`, so that both ways
agree by construction and a property test holds them to it. No pattern has a backslash: engines read those differently.
"""

from collections.abc import Callable

from integrations.sync.matching.domains import registrable_domain
from integrations.sync.matching.forms import FORMS

LABELS = "(?:[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*[.])+[a-zA-Z]+"
LONGEST_HOST, LONGEST_EMAIL = 63, 64  # within them every label is short enough
PRINTABLE = "^[ -~]*$"
WEBSITE = f"^ *(?:[hH][tT][tT][pP][sS]?://)?{LABELS}(?:/[!-~]*)? *$"
EMAIL = f"^ *[!-?A-~]+@{LABELS} *$"
BEGINNINGS = ("https://www.", "http://www.", "https://", "http://", "www.")
MARKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def ready(form: str, value: str) -> str:
    """SQL of the raw text without blanks around it, and in lower case where the form has no case; worked out once."""
    # looking for blanks costs a tenth of taking them away (measured), and hardly any value has some
    trimmed = f"CASE WHEN {value} LIKE ' %' OR {value} LIKE '% ' THEN {{{{trim({value})}}}} ELSE {value} END"
    return trimmed if form.removeprefix("registrable_") in CASED else f"{{{{lower({trimmed})}}}}"


def piece(form: str, ready: str) -> str:
    """SQL of the part that the form is about, worked out once from what `ready` gave."""
    name = form.removeprefix("registrable_")
    if name == "website":
        cases = " ".join(f"WHEN {{{{starts_with({ready}, '{each}')}}}} THEN {len(each) + 1}" for each in BEGINNINGS)
        return f"{{{{part({{{{substring({ready}, CASE {cases} ELSE 1 END, 300)}}}}, '/', 1)}}}}"
    return f"{{{{part({ready}, '@', 2)}}}}" if name == "email_domain" else "''"


def plain(form: str, value: str, ready: str, piece: str) -> str:
    """SQL of the form, from the raw text and what was worked out of it; null for null, '' for what is not plain."""
    condition, result = WRITERS[form.removeprefix("registrable_")](value, ready, piece)
    return f"CASE WHEN {value} IS NULL THEN NULL WHEN {condition} THEN {result} ELSE '' END"


def second_step(form: str) -> bool:
    """Whether the plain form is a host that still has to be cut to its registrable domain."""
    return form.startswith("registrable_")


def finish(form: str, plain: str | None, raw: str | None) -> str | None:
    """The form of one value from what the SQL gave: its plain form, or the raw value that is not plain."""
    if raw is not None:
        return FORMS[form](raw)
    return registrable_domain(plain) if second_step(form) else plain


# --- Each form: when a value is plain, and what it is then -----------------------------------------------------------


def _printable(value: str) -> str:
    return f"{{{{matches({value}, '{PRINTABLE}')}}}}"


def _name(value: str, ready: str, piece: str) -> tuple[str, str]:
    """Few names have two blanks in a row, and taking them out costs most."""
    single = f"{{{{replace_all({ready}, ' +', ' ')}}}}"
    return _printable(value), f"CASE WHEN {{{{position({ready}, '  ')}}}} = 0 THEN {ready} ELSE {single} END"


def _text(value: str, ready: str, piece: str) -> tuple[str, str]:
    return _printable(value), ready


def _whole(value: str, ready: str, piece: str) -> tuple[str, str]:
    return f"{{{{matches({ready}, '^(?:0|-?[1-9][0-9]{{0,36}})$')}}}}", ready


def _phone(value: str, ready: str, piece: str) -> tuple[str, str]:
    usual = f"{_printable(value)} AND {{{{matches({ready}, '[0-9]')}}}}"
    sign = f"CASE WHEN {{{{matches({ready}, '^[^0-9]*[+]')}}}} THEN '+' ELSE '' END"
    digits = f"{{{{replace_all({ready}, '[^0-9]', '')}}}}"
    return f"{usual} AND NOT {{{{matches({ready}, '[A-Za-z#;]')}}}}", f"concat({sign}, {digits})"


def _website(value: str, ready: str, host: str) -> tuple[str, str]:
    """Looking whether it fits and then cutting costs a third of extracting by the pattern (measured)."""
    one_dot = f"{{{{position({host}, '.')}}}} > 0"  # www.com is no www of com
    return f"{{{{matches({value}, '{WEBSITE}')}}}} AND {one_dot} AND {{{{length({host})}}}} <= {LONGEST_HOST}", host


def _email(value: str, ready: str, piece: str) -> tuple[str, str]:
    return f"{{{{matches({value}, '{EMAIL}')}}}} AND {{{{length({ready})}}}} <= {LONGEST_EMAIL}", ready


def _email_domain(value: str, ready: str, host: str) -> tuple[str, str]:
    right, _ = _email(value, ready, host)
    return f"{right} AND NOT {{{{starts_with({host}, 'www.')}}}}", host


def _id(value: str, ready: str, piece: str) -> tuple[str, str]:
    marks = _checksum(ready)
    same = f"{{{{upper({{{{substring({ready}, 16, 3)}}}})}}}} = {marks}"
    short, long = (f"{{{{matches({ready}, '^[a-zA-Z0-9]{{{length}}}$')}}}}" for length in (15, 18))
    return f"{short} OR ({long} AND {same})", f"concat({{{{substring({ready}, 1, 15)}}}}, {marks})"


def _checksum(value: str) -> str:
    """The three characters after the 15 of an id: one per group of five, bit k set when character k is A-Z."""
    marks = []
    for start in (1, 6, 11):
        bits = " + ".join(
            f"CASE WHEN {{{{substring({value}, {start + place}, 1)}}}} BETWEEN 'A' AND 'Z' THEN {1 << place} ELSE 0 END"
            for place in range(5)
        )
        marks.append(f"{{{{substring('{MARKS}', 1 + {bits}, 1)}}}}")
    return f"concat({', '.join(marks)})"


CASED = frozenset(("id", "text", "whole", "phone"))
WRITERS: dict[str, Callable[[str, str, str], tuple[str, str]]] = {
    "id": _id,
    "name": _name,
    "email": _email,
    "phone": _phone,
    "text": _text,
    "folded_text": _text,
    "whole": _whole,
    "website": _website,
    "email_domain": _email_domain,
}
