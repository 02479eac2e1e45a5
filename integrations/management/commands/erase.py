"""`manage.py erase customer|end_user EXTERNAL_ID --yes`: forget somebody for good (I-23, S-112)."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import Customer, EndUser
from integrations.sync.matching import forgetting

KINDS: dict[str, type[Customer] | type[EndUser]] = {"customer": Customer, "end_user": EndUser}


class Command(BaseCommand):
    """What the API's `erase` does; there is no undo, and Salesforce itself is not touched."""

    help = "Erases a customer or an end user from database, lake, outbox and row samples; the same id is refused from then on."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whom."""
        parser.add_argument("kind", choices=sorted(KINDS))
        parser.add_argument("external_id", help="The product's own id.")
        parser.add_argument("--with-end-users", action="store_true", help="Of a customer: all of its end users too.")
        parser.add_argument("--yes", action="store_true", help="Do it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase, and say what went."""
        record = KINDS[options["kind"]].objects.filter(external_id=options["external_id"], erased_at=None).first()
        if record is None:
            raise CommandError("Nobody with that external id is known here, or it was erased already.")
        if not options["yes"]:
            raise CommandError("This cannot be undone. Say --yes to do it.")
        try:
            gone = forgetting.erase(record, actor=None, now=timezone.now(), with_end_users=options["with_end_users"])
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Erased: {gone.lake_rows:,} rows of the lake, {gone.links:,} links, {gone.samples:,} row samples.")
