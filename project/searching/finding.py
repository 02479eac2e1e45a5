"""One text, all places: what a person may see of what it finds, grouped."""

from collections.abc import Sequence
from urllib.parse import urlencode

from integrations.access import DOMAINS, Person, has_role
from project.searching.places import PLACES, Group, Place
from project.searching.records import find_record

SHORTEST, LONGEST = 2, 200


def find_everywhere(text: str, *, user: Person) -> list[Group]:
    """Groups with at most eight hits each, Salesforce records first; none for a text of less than two characters."""
    word = " ".join(text[:LONGEST].replace("\0", "").split())
    if len(word.removeprefix("#")) < (1 if word.startswith("#") else SHORTEST):
        return []
    record = find_record(word, user)
    places = [place for place in PLACES if has_role(user, place.role, _domain_of(place))]
    found = [(place, place.group(word, user)) for place in places]
    groups = [_with_list(group, place.parameter, word) for place, group in found if group is not None]
    return [*([record] if record else []), *groups]


def _domain_of(place: Place) -> str:
    """The domain whose list shows what is found there."""
    domain = place.list_page.partition(":")[0]
    return domain if domain in DOMAINS else ""


def count(groups: Sequence[Group]) -> int:
    """Hits of all groups."""
    return sum(len(each.hits) for each in groups)


def _with_list(group: Group, parameter: str, word: str) -> Group:
    """The address of the list, filtered by the text."""
    if not group.url or not parameter:
        return group
    return Group(group.key, group.title, group.icon, group.hits, group.more, f"{group.url}?{urlencode({parameter: word})}")
