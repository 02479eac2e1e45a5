"""Which addresses may be Salesforce: canonical login origins (BW-D5, R-013) and the allow-list (S-020, R-012).

A token or a secret goes only to an origin that passed here. The demo org's origin passes only when the caller names it.
"""

import re
from dataclasses import dataclass

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAINS = ("salesforce.com", "force.com", "salesforce.mil", "sfcrmproducts.cn")
ORG_DOMAIN = r"(?P<domain>salesforce\.com|salesforce\.mil|sfcrmproducts\.cn)"
HINT = "Use the address in your browser when you are signed in."
LONGEST_TEXT = 2048

ALLOWED_HOST = re.compile(rf"(?:{LABEL}\.)+(?:{'|'.join(re.escape(domain) for domain in DOMAINS)})\Z")
MY_DOMAIN = re.compile(rf"{LABEL}(?:\.{LABEL}){{0,2}}\.my\.{ORG_DOMAIN}\Z")
# Besides My Domain hosts people sign in at the two shared hosts and, in old orgs, at the instance (`na9`, BW-22).
PLAIN_HOST = re.compile(rf"(?:login|test|[a-z]{{2,6}}[0-9]{{1,4}}[a-z]?(?:-api)?)\.{ORG_DOMAIN}\Z")

# Pages of the same org on other domains, and the login host that they belong to.
ORG = rf"(?P<org>{LABEL}(?:\.{LABEL}){{0,2}})"
SAME_ORG = (
    (re.compile(rf"{ORG}\.lightning\.force\.com\Z"), "{org}.my.salesforce.com"),
    (re.compile(rf"{ORG}\.file\.force\.com\Z"), "{org}.my.salesforce.com"),
    (re.compile(rf"{ORG}\.my\.salesforce-setup\.com\Z"), "{org}.my.salesforce.com"),
    (
        re.compile(r"(?P<org>[a-z0-9-]+?)--[a-z0-9]{1,15}(?P<kind>(?:\.[a-z]+)?)\.vf\.force\.com\Z"),
        "{org}{kind}.my.salesforce.com",
    ),
    (re.compile(r"(?:[a-z0-9-]+--)?[a-z0-9]{1,15}\.(?P<org>[a-z]{2,4}\d{1,4})\.visual\.force\.com\Z"), "{org}.salesforce.com"),
)
URL_SHAPE = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<authority>[^/?#]*)(?:[/?#].*)?\Z")
AUTHORITY = re.compile(r"(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?\Z")


class HostRefused(ValueError):
    """An address that may not be used, with a sentence that says why and never repeats more than the host."""


@dataclass(frozen=True)
class Origin:
    """Scheme, lower-case host and port of an address; `port` is 0 when it is the scheme's own."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "")


def normalize_login_url(text: str, *, demo_origin: str = "") -> str:
    """The canonical origin to sign in at, from whatever a person pasted.

    Takes a full page address, a bare host, upper case, spaces around, `http://`; gives `https://host` without a slash.
    Lightning, Setup and Visualforce hosts become the My Domain login host of the same org. Raises `HostRefused`.
    `demo_origin` (from settings, never from a form) is the only address outside Salesforce's domains that passes.
    """
    origin = _parse(text)
    if _is_demo(origin, demo_origin, given_scheme="://" in text):
        return str(_parse(demo_origin))
    if origin.port:
        raise HostRefused(f"Salesforce uses no port of its own: remove “:{origin.port}”.")
    host = _login_host(origin.host)
    if len(host) > 253:
        raise HostRefused("The host name is too long.")
    return f"https://{host}"


def is_allowed(origin: str, *, demo_origin: str = "") -> bool:
    """Whether tokens may be sent to `origin` (an instance address): https on a Salesforce domain, or the demo org."""
    try:
        parsed = _parse(origin)
    except HostRefused:
        return False
    if "://" not in origin:
        return False
    if _is_demo(parsed, demo_origin, given_scheme=True):
        return True
    return parsed.scheme == "https" and not parsed.port and ALLOWED_HOST.match(parsed.host) is not None


def origin_of(url: str) -> str:
    """`scheme://host[:port]` of an absolute address, canonical; `HostRefused` when it is not a plain web address."""
    return str(_parse(url))


def is_sandbox(login_url: str) -> bool:
    """Whether a login origin belongs to a sandbox or scratch org (decides the JWT audience)."""
    host = _parse(login_url).host
    return host.startswith("test.") or "--" in host.split(".")[0] or bool({"sandbox", "scratch"} & set(host.split(".")[1:-3]))


def is_my_domain(login_url: str) -> bool:
    """Whether a login origin names one org (`acme.my.salesforce.com`), not the shared login or test host."""
    return MY_DOMAIN.match(_parse(login_url).host) is not None


def _parse(text: str) -> Origin:
    """Split an address strictly; everything that browsers and libraries read differently is refused."""
    cleaned = text.strip() if isinstance(text, str) else ""
    if not cleaned:
        raise HostRefused("Enter the address of your Salesforce org, such as https://acme.my.salesforce.com.")
    if len(cleaned) > LONGEST_TEXT:
        raise HostRefused("The address is too long.")
    if not cleaned.isascii() or not cleaned.isprintable():
        raise HostRefused("The address contains characters that no Salesforce address has.")
    shape = URL_SHAPE.match(cleaned)
    if shape is None:
        raise HostRefused("This is not a web address.")
    scheme = (shape["scheme"] or "https").lower()
    if scheme not in ("https", "http"):
        raise HostRefused(f"Only https addresses can be used, not “{scheme}”.")
    return _parse_authority(scheme, shape["authority"])


def _parse_authority(scheme: str, authority: str) -> Origin:
    """Host and port, without user names, brackets, escapes or empty labels."""
    if "@" in authority:
        raise HostRefused("The address must not contain a user name.")
    parts = AUTHORITY.match(authority)
    if parts is None:
        raise HostRefused("This is not a host name.")
    host = parts["host"].lower()
    port = int(parts["port"] or 0)
    if host.startswith(".") or host.endswith(".") or ".." in host:
        raise HostRefused("This is not a host name.")
    if port > 65535:
        raise HostRefused("This is not a port number.")
    return Origin(scheme, host, 0 if port == (443 if scheme == "https" else 80) else port)


def _is_demo(origin: Origin, demo_origin: str, *, given_scheme: bool) -> bool:
    """Whether `origin` is exactly the demo org's; a bare `host:port` may leave the scheme out."""
    if not demo_origin:
        return False
    demo = _parse(demo_origin)
    if given_scheme:
        return origin == demo
    return (origin.host, origin.port or 443) == (demo.host, demo.port or (443 if demo.scheme == "https" else 80))


def _login_host(host: str) -> str:
    """The login host that `host` belongs to, or `HostRefused`."""
    for pattern, login_host in SAME_ORG:
        if match := pattern.match(host):
            return login_host.format(**match.groupdict())
    if MY_DOMAIN.match(host):
        return host
    if PLAIN_HOST.match(host):
        return host
    if re.match(rf"{LABEL}\.{ORG_DOMAIN}\Z", host):
        raise HostRefused(f"“{host}” is a Salesforce web site, not an org. {HINT}")
    raise HostRefused(f"“{host[:100]}” is not a Salesforce address. {HINT}")
