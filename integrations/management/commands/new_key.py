"""`manage.py new_key`: a fresh encryption key for FIELD_ENCRYPTION_KEYS."""

from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Prints one key; stores nothing."""

    help = "Makes an encryption key. Put it in front of FIELD_ENCRYPTION_KEYS, restart, then run rotate_vault."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the key alone, so that it can be piped."""
        self.stdout.write(Fernet.generate_key().decode())
