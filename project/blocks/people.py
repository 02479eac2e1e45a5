"""How roles, domains and what happened to people read."""

from django import template

from integrations.access import DOMAINS, ROLE_LABELS

register = template.Library()
EVENTS = {
    "user.created": "Account made", "user.rights_changed": "Rights changed", "user.deactivated": "Switched off",
    "user.reactivated": "Switched on", "user.link_made": "A link to choose a password was made", "user.renamed": "Name changed",
    "user.password_set": "Password chosen", "user.password_changed": "Password changed",
    "user.signed_out": "Signed out elsewhere",
}  # fmt: skip


@register.filter
def role_label(role: str) -> str:
    """A role in words."""
    return "Admin of a domain" if role == "domain" else ROLE_LABELS.get(role, role)


@register.filter
def domain_label(domain: str) -> str:
    """A domain in words."""
    return DOMAINS.get(domain, domain)


@register.filter
def person_event(action: str) -> str:
    """An entry of the audit about a person, in words."""
    return EVENTS.get(action, action.removeprefix("user.").replace("_", " ").capitalize())
