"""The push prefix (PX-36, PX-D11): what carries it is written by us, and by nobody read back. Pure."""

import re

# Namespace and name of a custom field: SBQQ__PX_Score__c is PX_Score__c of the package SBQQ.
NAMESPACE = re.compile(r"(?P<namespace>[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*)__(?P<name>[A-Za-z].*)\Z", re.ASCII)
SUFFIX = re.compile(r"__[a-z]{1,3}\Z", re.ASCII | re.IGNORECASE)
PART = re.compile(r"__(?:latitude|longitude)__s\Z", re.ASCII | re.IGNORECASE)  # the halves of a geolocation PX_Place__c
SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,29}\Z", re.ASCII)


def bare_name(name: str) -> str:
    """The field's name without the namespace of its package: `acme__PX_Score__c` is `PX_Score__c`."""
    name = PART.sub("__c", name)
    ending = SUFFIX.search(name)
    stem = name[: ending.start()] if ending else name
    found = NAMESPACE.match(stem) if ending else None
    return (found["name"] if found else stem) + (ending[0] if ending else "")


def has_prefix(name: str, prefix: str) -> bool:
    """Whether the API name, after any namespace, begins with the prefix in any case."""
    return bool(prefix) and bare_name(name).casefold().startswith(prefix.casefold())


def refuse_prefix(prefix: str) -> str:
    """Why this cannot be a prefix, in words; empty when it can."""
    if not prefix:
        return "Choose a prefix: only fields that carry it are written, so an empty one would open every field."
    if not SHAPE.match(prefix):
        return "A prefix is letters, digits and underscores, begins with a letter and has at most 30 characters."
    return ""
