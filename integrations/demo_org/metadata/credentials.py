"""Named and external credentials as components: what may stand in them. Secrets never do; those are set over REST."""

import re
from urllib.parse import urlsplit

from integrations.demo_org.metadata.values import Refused, Values, as_list, text_of

NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|_(?!_))*(?<!_)")
MISSING = "REQUIRED_FIELD_MISSING"
PROTOCOLS = frozenset({"Custom", "NoAuthentication"})
EXTERNAL_KEYS = frozenset({"fullName", "authenticationProtocol", "description", "externalCredentialParameters", "label"})
EXTERNAL_TYPES = frozenset({"NamedPrincipal", "AuthHeader"})
EXTERNAL_PARTS = frozenset(
    {"description", "parameterGroup", "parameterName", "parameterType", "parameterValue", "sequenceNumber"}
)
NAMED_KEYS = frozenset({
    "fullName", "allowMergeFieldsInBody", "allowMergeFieldsInHeader", "calloutStatus", "description", "endpoint",
    "generateAuthorizationHeader", "label", "namedCredentialParameters", "namedCredentialType", "principalType", "protocol",
})  # fmt: skip
NAMED_TYPES = frozenset({"Url", "Authentication", "HttpHeader"})
NAMED_PARTS = frozenset({"description", "externalCredential", "parameterName", "parameterType", "parameterValue",
                         "sequenceNumber", "globalNamedPrincipalCredential", "managedFeatureEnabledCallout",
                         "outboundNetworkConnection", "readOnlyNamedCredential", "systemUserNamedCredential"})  # fmt: skip


def check_external(name: str, values: Values) -> None:
    """Refuse an external credential that is not well-formed, or of a protocol that is not imitated."""
    _check_frame(name, values, EXTERNAL_KEYS, "ExternalCredential")
    protocol = text_of(values, "authenticationProtocol")
    if protocol not in PROTOCOLS:
        raise Refused("INVALID_FIELD",
            f"This org does not imitate the authentication protocol {protocol or 'none'} of external "
                      f"credentials; it knows {', '.join(sorted(PROTOCOLS))}")  # fmt: skip
    for each in _parameters(values, "externalCredentialParameters", EXTERNAL_PARTS, EXTERNAL_TYPES, "ExternalCredential"):
        kind, own = text_of(each, "parameterType"), text_of(each, "parameterName")
        if kind == "NamedPrincipal" and text_of(each, "parameterGroup", own) != own:
            raise Refused("INVALID_FIELD", f"The parameterGroup of the principal {own} must be its parameterName")
        if kind == "AuthHeader" and not text_of(each, "parameterValue"):
            raise Refused(MISSING, f"Required field is missing: parameterValue ({own})")


def check_named(name: str, values: Values) -> str:
    """Refuse a named credential that is not well-formed; the name of its external credential, if it has one."""
    _check_frame(name, values, NAMED_KEYS, "NamedCredential")
    kind = text_of(values, "namedCredentialType", "Legacy")
    if kind == "Legacy":
        return _check_legacy(values)
    if kind != "SecuredEndpoint":
        raise Refused("INVALID_FIELD", f"This org does not imitate named credentials of type {kind}")
    if text_of(values, "endpoint"):
        raise Refused("INVALID_FIELD", "endpoint is valid only when namedCredentialType is Legacy: use a parameter of type Url")
    parameters = _parameters(values, "namedCredentialParameters", NAMED_PARTS, NAMED_TYPES, "NamedCredential")
    urls = [text_of(each, "parameterValue") for each in parameters if text_of(each, "parameterType") == "Url"]
    if len(urls) != 1:
        raise Refused(MISSING, "A named credential of type SecuredEndpoint needs exactly one parameter of type Url")
    _check_url(urls[0])
    externals = [
        text_of(each, "externalCredential") for each in parameters if text_of(each, "parameterType") == "Authentication"
    ]
    if len(externals) != 1 or not externals[0]:
        raise Refused(MISSING, "A named credential of type SecuredEndpoint needs one parameter of type Authentication with "
                      "an externalCredential")  # fmt: skip
    return externals[0]


def _check_legacy(values: Values) -> str:
    if text_of(values, "protocol", "NoAuthentication") != "NoAuthentication":
        raise Refused(
            "INVALID_FIELD", f"This org does not imitate the protocol {text_of(values, 'protocol')} of legacy credentials"
        )
    _check_url(text_of(values, "endpoint"))
    return ""


def _check_frame(name: str, values: Values, known: frozenset[str], kind: str) -> None:
    if not NAME.fullmatch(name):
        raise Refused(
            "INVALID_FIELD", f"The name of a {kind} can only contain letters, digits and single underscores: {name[:40]}"
        )
    unknown = sorted(each for each in values if each not in known and not each.startswith("@"))
    if unknown:
        raise Refused("INVALID_TYPE", f"This org does not imitate {unknown[0]} of {kind} components")
    if not text_of(values, "label"):
        raise Refused(MISSING, "Required field is missing: label")


def _parameters(values: Values, element: str, parts: frozenset[str], types: frozenset[str], kind: str) -> list[Values]:
    found = [each for each in as_list(values.get(element)) if isinstance(each, dict)]
    for each in found:
        unknown = sorted(part for part in each if part not in parts)
        if unknown:
            raise Refused("INVALID_TYPE", f"This org does not imitate {unknown[0]} of {kind} parameters")
        if text_of(each, "parameterType") not in types:
            raise Refused(
                "INVALID_FIELD", f"This org does not imitate {kind} parameters of type {each.get('parameterType') or 'none'}"
            )
        if not text_of(each, "parameterName"):
            raise Refused(MISSING, "Required field is missing: parameterName")
        if not text_of(each, "sequenceNumber", "1").isdigit():
            raise Refused("INVALID_FIELD", f"sequenceNumber must be a whole number: {each.get('sequenceNumber')}")
    return found


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise Refused("INVALID_FIELD", f"URL: invalid value {url[:80] or 'none'}")
