"""Form fields with their labels and errors, filters in use, and heads that sort."""

from typing import Any

from django import forms, template
from django.template.context import RequestContext

register = template.Library()
DASHES = "---------"  # what Django shows where nothing was chosen yet


@register.inclusion_tag("components/field.html")
def field(bound: forms.BoundField, optional: bool = False) -> dict[str, Any]:
    """Label, control, help and errors of a form field, tied together for screen readers."""
    described = []
    if bound.help_text:
        described.append(f"{bound.id_for_label}_help")
    if bound.errors:
        described.append(f"{bound.id_for_label}_error")
    attributes: dict[str, Any] = {}
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if bound.errors:
        attributes["aria-invalid"] = "true"
    if getattr(bound.field, "empty_label", None) == DASHES:
        bound.field.empty_label = "Choose one"  # pyright: ignore[reportAttributeAccessIssue]
    checkbox = isinstance(bound.field.widget, forms.CheckboxInput)
    shows_optional = optional or not (bound.field.required or checkbox)
    control = bound.as_widget(attrs=attributes)  # pyright: ignore[reportArgumentType]
    return {"field": bound, "control": control, "checkbox": checkbox, "optional": shows_optional}


@register.inclusion_tag("components/active_filters.html", takes_context=True)
def active_filters(context: RequestContext, form: forms.Form) -> dict[str, Any]:
    """A chip for each filter in use; pressing it takes that one away. `form` is bound to `request.GET`."""
    query = context["request"].GET
    chips = []
    for bound in form:
        value = query.get(bound.html_name, "")
        if not value or not getattr(bound.field, "narrows", True):  # an order takes nothing away
            continue
        rest = query.copy()
        rest.pop(bound.html_name, None)
        rest.pop("page", None)
        choices = {str(key): str(text) for key, text in getattr(bound.field, "choices", [])}
        chips.append({"label": bound.label, "value": choices.get(value, value), "url": f"?{rest.urlencode()}"})
    return {"chips": chips}


@register.inclusion_tag("components/sort_header.html", takes_context=True)
def sort_header(context: RequestContext, name: str, label: str, num: bool = False, falling: bool = False) -> dict[str, Any]:
    """A table head that sorts: the address keeps the order (`?sort=-name`). `falling`: the first press puts the most on top.

    The page's context has `sort`, the order in use as the view understood it; pressing it again turns it round.
    """
    sort = str(context.get("sort") or "")
    active = sort.removeprefix("-") == name
    following = (name if sort.startswith("-") else f"-{name}") if active else (f"-{name}" if falling else name)
    query = context["request"].GET.copy()
    query.pop("page", None)
    query["sort"] = following
    direction = ("descending" if sort.startswith("-") else "ascending") if active else ""
    return {"label": label, "num": num, "direction": direction, "url": f"?{query.urlencode()}"}
