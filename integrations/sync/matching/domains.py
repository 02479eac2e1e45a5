"""Domains of websites and e-mail addresses (PX-D6, PX-D7): hosts in ASCII, registrable domains, public mail providers. Pure."""

import ipaddress
import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import idna

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

SCHEME = re.compile(r"(?:(?:[a-z][a-z0-9+.-]*:)?[/\\]{2,}|(?:https?|mailto):[/\\]?)+")
HOST_ENDS = re.compile(r"[/\\?#\s,;|<>\"'()]")
PORT = re.compile(r":\d*\Z")
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
DOTS = re.compile("[。．｡]")  # what people type for a dot in other scripts (UTS 46)
LONGEST_HOST = 253


def host_of_website(text: str) -> str | None:
    """The host of a web address as people type it: without scheme, user, port, path, trailing dot and leading `www.`.

    International names come in their ASCII form. None where there is no host with a dot: `n/a`, `localhost`, an IP address.
    """
    rest = unicodedata.normalize("NFKC", text).strip().lower()
    scheme = SCHEME.match(rest)
    rest = rest[scheme.end() :] if scheme else rest
    rest = HOST_ENDS.split(rest, maxsplit=1)[0].rpartition("@")[2]
    return _without_www(ascii_host(PORT.sub("", rest)))


def host_of_email(address: str) -> str | None:
    """The domain of an e-mail address in the same form as that of a website."""
    local, _, domain = address.rpartition("@")
    return _without_www(ascii_host(domain)) if local else None


def ascii_host(text: str) -> str | None:
    """A host with at least one dot in lower-case ASCII, without trailing dots; None when it cannot be one."""
    host = DOTS.sub(".", text.strip().lower()).rstrip(".")
    if not host.isascii():
        host = ".".join(_ascii_label(label) for label in host.split("."))
    labels = host.split(".")
    if len(labels) < 2 or len(host) > LONGEST_HOST or not all(map(LABEL.match, labels)):
        return None
    return None if labels[-1].isdigit() or _is_address(host) else host


@lru_cache(maxsize=65_536)
def registrable_domain(host: str | None) -> str | None:
    """The part of `host` that somebody registered (`acme.co.uk` of `app.acme.co.uk`), by the public suffix list."""
    return _suffixes().privatesuffix(host) if host else None


def read_providers(entries: Collection[str] | None) -> frozenset[str]:
    """The stop list that applies: the built-in one for None, else the edited one, each entry as a host."""
    if entries is None:
        return built_in_providers()
    return frozenset(host for host in (host_of_website(entry.lstrip("@")) for entry in entries) if host)


@lru_cache(maxsize=1)
def built_in_providers() -> frozenset[str]:
    """Public mail providers, from `mail_providers.txt`."""
    lines = (Path(__file__).parent / "mail_providers.txt").read_text(encoding="ascii").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _without_www(host: str | None) -> str | None:
    if host and host.startswith("www.") and "." in host[4:]:
        return host[4:]
    return host


def _ascii_label(label: str) -> str:
    """One label in ASCII; what IDNA 2008 refuses (such as emoji) keeps its own distinct form."""
    if label.isascii():
        return label
    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        folded = unicodedata.normalize("NFKC", label.casefold())
        return f"xn--{folded.encode('punycode').decode('ascii')}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1)
def _suffixes() -> "PublicSuffixList":
    """The pinned list of the installed package; nothing is downloaded."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
