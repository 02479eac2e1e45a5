"""The mapping page's form as a body, and problems of a body as errors of the form's fields.

Names in the form: `object`, `retrieve`, `prefix`, `most_active_wins`, `mail_providers` (one a line; if `own_providers` is on),
`version` (the one that the person looks at), `note`; for a rule `rule-NAME-on`, `rule-NAME-when_several`, `-source_field`,
`-salesforce_field`, `-case_sensitive`, `-registrable_domain`, `-majority`; for line n (any numbers, in the order of the page)
`pair-n-direction`, `pair-n-source`, `pair-n-target`, `pair-n-accept_lossy`, `pair-n-cut`, `pair-n-values` (one `from = to` a
line), `pair-n-new` (key of an attribute to be made) and `pair-n-remove`. A line without source and target is no line.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from integrations.sync.mapping.body import ATTRIBUTE, PULL, RULES_OF, FieldPair, MappingBody, MatchRule, default_body, read_body
from integrations.sync.mapping.problems import Problem, ProblemsFound

LINE = re.compile(r"pair-(\d{1,6})-(direction|source|target|new)\Z")
PATH = re.compile(r"(rules|pairs)\[(\d+)\](?:\.(\w+))?")
NEW = "new"
"""Value of `pair-n-source` that means: make the attribute that `pair-n-new` names."""


@dataclass
class MappingForm:
    """What a person sent. `errors` are by field name of the form; the empty name is for the form as a whole."""

    entity: str
    data: Mapping[str, str]
    lines: Sequence[int] = ()
    errors: dict[str, list[str]] = field(default_factory=dict)
    body: MappingBody | None = None

    @property
    def is_valid(self) -> bool:
        """Whether there is a body and nothing is wrong with it so far."""
        return self.body is not None and not self.errors

    @property
    def expected(self) -> int | None:
        """The version that the person looked at."""
        text = self.data.get("version", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    @property
    def note(self) -> str:
        """The person's words for this version."""
        return self.data.get("note", "").strip()[:255]

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Put problems of the body to the fields that they are about."""
        for problem in problems:
            self.errors.setdefault(self.name_of(problem.path), []).append(problem.message)

    def name_of(self, path: str) -> str:
        """The form field of a path in the body: `pairs[0].target` of the third line on the page is `pair-2-target`."""
        found = PATH.match(path)
        if found is None:
            return path.partition("[")[0].partition(".")[0]
        kind, place, part = found[1], int(found[2]), found[3] or "source"
        if kind == "rules":
            rules = RULES_OF[self.entity]
            return f"rule-{rules[place]}-{'on' if part == 'name' else part}" if place < len(rules) else ""
        return f"pair-{self.lines[place]}-{part}" if place < len(self.lines) else ""


def read_form(data: Mapping[str, str], entity: str) -> MappingForm:
    """The form of one POST (a QueryDict will do); a body when its shape is right, else errors by field name."""
    texts = {key: str(data.get(key) or "") for key in data}
    form = MappingForm(entity, texts, lines=_lines_of(texts))
    pairs = [_read_line(form, number) for number in form.lines]
    plain: dict[str, Any] = {
        "entity": entity, "object": texts.get("object", "").strip() or default_body(entity).object,
        "retrieve": "retrieve" in texts, "prefix": texts.get("prefix", "").strip(),
        "most_active_wins": "most_active_wins" in texts,
        "mail_providers": texts.get("mail_providers", "").split() if "own_providers" in texts else None,
        "rules": [_read_rule(texts, name) for name in RULES_OF[entity]],
        "pairs": pairs,
    }  # fmt: skip
    try:
        form.body = read_body(plain, entity=entity)
    except ProblemsFound as error:
        form.add_problems(error.problems)
    return form


def _lines_of(texts: Mapping[str, str]) -> list[int]:
    """Numbers of the lines that say something, in the order of the page."""
    numbers = dict.fromkeys(int(found[1]) for found in map(LINE.match, texts) if found)
    filled = (n for n in numbers if any(texts.get(f"pair-{n}-{part}", "").strip() for part in ("source", "target", NEW)))
    return [n for n in filled if f"pair-{n}-remove" not in texts]


def _read_rule(texts: Mapping[str, str], name: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"name": name}
    for part in fields(MatchRule):
        key = f"rule-{name}-{part.name}"
        if isinstance(part.default, bool):
            rule[part.name] = key in texts
        elif part.name != "name" and texts.get(key, "").strip():
            rule[part.name] = texts[key].strip()
    if name != "custom_field":
        rule.pop("case_sensitive", None)
    return rule


def _read_line(form: MappingForm, number: int) -> dict[str, Any]:
    def text(part: str) -> str:
        return form.data.get(f"pair-{number}-{part}", "").strip()

    source = text("source")
    if source == NEW or (not source and text(NEW)):
        source = f"{ATTRIBUTE}{text(NEW)}" if text(NEW) else ""
    return {
        "direction": text("direction") or PULL, "source": source, "target": text("target"),
        "accept_lossy": f"pair-{number}-accept_lossy" in form.data, "cut": f"pair-{number}-cut" in form.data,
        "values": _read_values(form, number),
    }  # fmt: skip


def _read_values(form: MappingForm, number: int) -> dict[str, str]:
    """`from = to`, one a line; the last ` = ` of a line separates, so that a value may contain the sign."""
    name, found = f"pair-{number}-values", {}
    for line in form.data.get(name, "").splitlines():
        if not line.strip():
            continue
        left, sign, right = line.rpartition("=")
        if not sign or not left.strip():
            form.errors.setdefault(name, []).append(f"Write “{line.strip()[:60]}” as from = to.")
        elif left.strip() in found:
            form.errors.setdefault(name, []).append(f"“{left.strip()[:60]}” is translated twice.")
        else:
            found[left.strip()] = right.strip()
    return found


# --- From a body to the page's fields ------------------------------------------------------------------------------------


def write_form(body: MappingBody, *, version: int = 0, existing: Collection[str] | None = None) -> dict[str, str]:
    """The same fields, filled from a body: what the page shows first. Ticked boxes are "on", others are missing.

    With `existing` (keys of the source catalogue) a line whose attribute does not exist yet shows it as one to be made.
    """
    shown = {"object": body.object, "prefix": body.prefix, "version": str(version)}
    shown |= {name: "on" for name in ("retrieve", "most_active_wins") if getattr(body, name)}
    if body.mail_providers is not None:
        shown |= {"own_providers": "on", "mail_providers": "\n".join(body.mail_providers)}
    for rule in body.rules:
        shown |= {f"rule-{rule.name}-{key}": value for key, value in _shown(rule)}
    for number, pair in enumerate(body.pairs):
        shown |= {f"pair-{number}-{key}": value for key, value in _shown(pair)}
        if existing is not None and pair.direction == PULL and pair.attribute and pair.source not in existing:
            shown |= {f"pair-{number}-source": NEW, f"pair-{number}-new": pair.attribute}
        shown[f"pair-{number}-values"] = "\n".join(f"{left} = {right}" for left, right in pair.values.items())
    return shown


def _shown(item: MatchRule | FieldPair) -> list[tuple[str, str]]:
    values = [(key, value) for key, value in vars(item).items() if key not in ("name", "values")]
    return [(key, "on" if value is True else str(value)) for key, value in values if value is not False]
