"""What people read names no requirement: API descriptions, back office, pages and sentences are words, not our numbers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Field
from django.test import RequestFactory
from drf_spectacular.generators import SchemaGenerator

ROOT = Path(__file__).resolve().parents[2]
APPS = ("analytics", "billing", "integrations", "okr", "project", "provisioning")
NUMBER = re.compile(r"\b(?:BW|PX|MT|FZ|ST|R|I|S|L)-D?\d{1,3}\b")
HIDDEN = re.compile(r"\{% comment %\}.*?\{% endcomment %\}|\{#.*?#\}|<!--.*?-->", re.DOTALL)


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text inside nested data, with its place."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from texts(each, f"{place}.{name}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from texts(each, f"{place}[{number}]")
    elif isinstance(value, str):
        yield place, value


def numbered(found: Iterator[tuple[str, str]]) -> list[str]:
    return sorted({f"{place}: {text[:120]}" for place, text in found if NUMBER.search(text)})


def test_the_pattern_knows_our_numbers_and_leaves_the_world_alone():
    assert all(NUMBER.search(each) for each in ("(BW-12)", "PX-D7", "see ST-35.", "MT-D10", "R-181", "I-01", "S-110", "FZ-D5"))
    assert not any(
        NUMBER.search(each) for each in ("UTF-8", "SHA-256", "ISO-8601", "PBKDF2-1", "2026-11-22", "INV-12", "USD-5")
    )


def test_the_api_is_described_without_our_numbers():
    schema = SchemaGenerator().get_schema(request=None, public=True)
    assert len(schema["paths"]) > 100
    assert numbered(texts(schema)) == []


@pytest.mark.django_db
def test_the_back_office_explains_without_our_numbers(cast):
    request = RequestFactory().get("/admin/")
    request.user = cast.ada
    assert len(admin.site._registry) > 50
    assert numbered(each for model, site in admin.site._registry.items() for each in told_by(model, site, request)) == []


def told_by(model: Any, site: Any, request: Any) -> Iterator[tuple[str, str]]:
    """Labels and help of a model's columns and forms, headings and actions of its page."""
    name = model._meta.label
    yield name, f"{model._meta.verbose_name} {model._meta.verbose_name_plural}"
    for field in model._meta.get_fields():
        if isinstance(field, Field):
            yield f"{name}.{field.name}", f"{field.verbose_name} {field.help_text}"
            yield from texts([str(label) for _, label in getattr(field, "flatchoices", ())], f"{name}.{field.name}")
    form = site.get_form(
        request, None if site.has_add_permission(request) else model(), change=not site.has_add_permission(request)
    )
    for field_name, field in form.base_fields.items():
        yield f"{name}.{field_name}", f"{field.label} {field.help_text}"
    for title, options in site.fieldsets or ():
        yield name, f"{title} {options.get('description', '')}"
    for _, action, about in site.get_actions(request).values():
        yield f"{name}.{action}", str(about)
    for column in (*site.list_display, *site.readonly_fields):
        shown = column if callable(column) else getattr(site, str(column), None)
        yield f"{name}.{column}", str(getattr(shown, "short_description", ""))
    yield name, str(getattr(site, "search_help_text", "") or "")


def test_templates_say_no_numbers_of_ours():
    found = (
        (str(path.relative_to(ROOT)), line)
        for path in sorted((ROOT / "templates").rglob("*.*"))
        if path.suffix in {".html", ".txt"}
        for line in HIDDEN.sub("", path.read_text()).splitlines()
    )
    assert numbered(found) == []


def test_sentences_of_the_code_say_no_numbers_of_ours():
    """Messages, labels, help and refusals: every text with a space in it that is neither a docstring nor a comment."""
    assert numbered(each for app in APPS for path in sorted((ROOT / app).rglob("*.py")) for each in sentences(path)) == []


def sentences(path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text()
    if not NUMBER.search(text):
        return
    tree = ast.parse(text)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings and notes behind names
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value and id(node) not in told:
            yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value
