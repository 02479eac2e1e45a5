"""Personal data in row outcomes, hidden from roles that need causes but not people (S-115)."""

import re

from integrations.access import Person, has_role
from integrations.models import RowOutcome

PEOPLE = frozenset({"Contact", "Lead", "User", "EndUser", "end_users", "contacts", "leads"})  # kinds whose label is a name
_MAIL = re.compile(r"([\w.+'-])[\w.+'-]{0,63}@([\w-])[\w.-]{0,252}")
_PHONE = re.compile(r"(?<![\w.+-])(?:\+|\(?0)\d[\d ()/-]{5,20}(\d\d)(?!\w)")


def may_see_people(user: Person) -> bool:
    """Operators repair rows and need to know whose they are; analysts need numbers and causes."""
    return has_role(user, "operator")


def hide_people(text: str) -> str:
    """`text` with e-mail addresses and phone numbers reduced to their ends."""
    return _PHONE.sub(r"***\1", _MAIL.sub(r"\1***@\2***", text))


def hide_name(name: str) -> str:
    """Initials of a person's name."""
    return " ".join(f"{part[0]}." for part in name.split())


def mask_row(row: RowOutcome) -> RowOutcome:
    """The same row, not saved, with the people in it hidden."""
    personal = row.run_object.name in PEOPLE
    row.label = hide_name(row.label) if personal else hide_people(row.label)
    row.key, row.message = hide_people(row.key), hide_people(row.message)
    return row
