"""Writes docs/roles.md anew from the declared table of roles."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from project.roles.document import render


class Command(BaseCommand):
    """Safe to repeat; a test fails while the page and the table differ."""

    help = "Writes docs/roles.md from project/roles."

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.BASE_DIR / "docs" / "roles.md"
        path.write_text(render())
        self.stdout.write(f"Written: {path}")
