"""`manage.py rotate_vault`: encrypt every secret with the newest key (S-007)."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations import audit
from integrations.orgs import vault


class Command(BaseCommand):
    """Safe to repeat and to run beside working workers."""

    help = "Re-encrypts all secrets with the first of FIELD_ENCRYPTION_KEYS; then older keys can be removed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, say how many, and leave an audit entry."""
        try:
            done, unreadable = vault.rotate_all()
        except vault.VaultLocked as error:
            raise CommandError(error.message) from error
        audit.record("vault.rotated", target=f"{done} secrets", after={"rotated": done, "unreadable": unreadable})
        self.stdout.write(f"{done} secrets are encrypted with the newest key.")
        if unreadable:
            raise CommandError(f"{unreadable} secrets could not be read with any key; those connections stay locked.")
        if len(settings.FIELD_ENCRYPTION_KEYS) > 1:
            self.stdout.write("Older keys can now be removed from FIELD_ENCRYPTION_KEYS.")
