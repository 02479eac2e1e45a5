"""Defining attributes by hand or from a file; values that arrive make the others by themselves."""

from datetime import datetime

from integrations import audit
from integrations.access import Person
from integrations.models import Attribute, Entity
from integrations.sync.mapping.problems import Problem, ProblemsFound
from integrations.sync.matching.incoming import ATTRIBUTE_KEY, text_problem

LONGEST_LABEL, LONGEST_DESCRIPTION = 120, 2_000


def save_attribute(
    *, entity: str, key: str, label: str = "", kind: str = Attribute.Type.STRING, description: str = "", pulled: bool = False,
    user: Person | None, now: datetime,
) -> Attribute:  # fmt: skip
    """Make an attribute of type `kind`, or change its words. ProblemsFound for all that does not fit.

    The type of one that exists stays, because values of it are stored.
    """
    found = Attribute.objects.filter(entity=entity, key=key).first()
    words = {"label": label.strip() or key.replace("_", " ").capitalize(), "description": description.strip(), "pulled": pulled}
    problems = [Problem("label", "text", text)] if (text := text_problem(words["label"], LONGEST_LABEL)) else []
    if text := text_problem(words["description"], LONGEST_DESCRIPTION):
        problems.append(Problem("description", "text", text))
    if entity not in Entity.values:
        problems.append(Problem("entity", "choice", f"must be one of {', '.join(Entity.values)}."))
    if not ATTRIBUTE_KEY.match(key):
        problems.append(Problem("key", "key", "must be letters, digits and _, begin with a letter, at most 80."))
    if kind not in Attribute.Type.values:
        problems.append(Problem("type", "choice", f"must be one of {', '.join(Attribute.Type.values)}."))
    elif found is not None and found.type != kind:
        problems.append(Problem("type", "fixed", f"is {found.type} here and stays so, because values are stored."))
    if problems:
        raise ProblemsFound(problems)
    made = found or Attribute(entity=entity, key=key, type=kind, created_at=now)
    before = {name: getattr(made, name) for name in words}
    if found is not None and before == words:
        return found
    for name, value in words.items():
        setattr(made, name, value)
    made.save()
    action = "attribute.changed" if found is not None else "attribute.created"
    audit.record(action, actor=user, target=f"{entity}.{key}", before=before if found else {}, after={**words, "type": kind})
    return made
