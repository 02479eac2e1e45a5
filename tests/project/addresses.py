"""Every address of the application with its name, and a concrete path for each."""

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver, reverse

FOREIGN = ("admin:", "social:", "axes")  # Django's admin and social-auth bring rules of their own, tested below


def named_addresses() -> Iterator[tuple[str, URLPattern]]:
    """Every URL with its namespaced name."""

    def walk(patterns, prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for each in patterns:
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, f"{prefix}{each.namespace}:" if each.namespace else prefix)
            else:
                yield f"{prefix}{each.name}", each

    yield from walk(get_resolver().url_patterns, "")


def ours() -> list[tuple[str, URLPattern]]:
    return [(name, pattern) for name, pattern in named_addresses() if not name.startswith(FOREIGN)]


def address_of(name: str, pattern: URLPattern) -> str:
    """A concrete path; numbers and ids that do not exist."""
    values = {}
    for key, converter in pattern.pattern.converters.items():
        values[key] = 999_999 if "Int" in type(converter).__name__ else "00O000000000000AAA"
    for key in getattr(pattern.pattern, "regex", re.compile("")).groupindex:
        values.setdefault(key, "00O000000000000AAA" if name.startswith("report-") else "999999")
    return reverse(name, kwargs=values)


def is_api(pattern: URLPattern) -> bool:
    return hasattr(pattern.callback, "cls") and hasattr(pattern.callback.cls, "scope")
