"""The people of the stories: Jane holds a license, Marsha does not, Olga operates, Ana analyses, Ada administers."""

from dataclasses import dataclass

from django.contrib.auth.models import Group, User

from integrations.access import GROUPS

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Cast:
    """One user for each role; all share `PASSWORD`."""

    jane: User
    marsha: User
    ana: User
    olga: User
    ada: User


def make_cast() -> Cast:
    """Create the cast in the database."""

    def person(name: str, first: str, last: str, **extra: bool) -> User:
        user = User(username=name, email=f"{name}@acme.example", first_name=first, last_name=last, **extra)
        # A fast, still real, hash: PBKDF2 at full strength costs a third of a second a person.
        user.set_password(PASSWORD)
        user.save()
        return user

    cast = Cast(
        jane=person("jane", "Jane", "Doe"),
        marsha=person("marsha", "Marsha", "Doe"),
        ana=person("ana", "Ana", "Lyst"),
        olga=person("olga", "Olga", "Perez"),
        ada=person("ada", "Ada", "Min", is_staff=True, is_superuser=True),
    )
    cast.ana.groups.add(Group.objects.get_or_create(name=GROUPS["analyst"])[0])
    cast.olga.groups.add(Group.objects.get_or_create(name=GROUPS["operator"])[0])
    return cast
