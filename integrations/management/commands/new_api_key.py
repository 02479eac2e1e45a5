"""`manage.py new_api_key`: an API key for a person, shown once."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import audit
from integrations.access import SCOPES, Refusal
from integrations.api_keys import BOUND_SCOPES, create_key
from integrations.models import Customer


class Command(BaseCommand):
    """The key acts as its owner, within its scopes."""

    help = "Makes an API key for a user and prints it once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Owner, name, scopes and days."""
        parser.add_argument("username")
        parser.add_argument("--name", default="Made on the command line")
        parser.add_argument(
            "--scope", action="append", choices=sorted(SCOPES), help="May be repeated; all that are possible when left out."
        )
        parser.add_argument(
            "--customer", action="append", help="External id; may be repeated. The key works for these customers only."
        )
        parser.add_argument("--days", type=int, default=365, help="Valid for so many days.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the key alone, so that it can be piped."""
        owner = get_user_model().objects.filter(username=options["username"], is_active=True).first()
        if owner is None:
            raise CommandError(f"There is no active user {options['username']}.")
        if options["days"] < 1:
            raise CommandError("--days must be at least 1.")
        expires = timezone.now() + timedelta(days=options["days"])
        names = options["customer"]
        customers = None if names is None else [_customer(each) for each in names]
        scopes = options["scope"] or (sorted(SCOPES) if customers is None else BOUND_SCOPES)
        try:
            key, secret = create_key(owner=owner, name=options["name"], scopes=scopes, expires=expires, customers=customers)
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        after = {"scopes": key.scopes, "expires": expires, "customers": names or []}
        audit.record("api_key.created", target=f"{key.prefix} of {owner}", after=after)
        self.stdout.write(secret)


def _customer(name: str) -> Customer:
    found = Customer.objects.filter(external_id=name, erased_at=None).first()
    if found is None:
        raise CommandError(f"There is no customer {name}.")
    return found
