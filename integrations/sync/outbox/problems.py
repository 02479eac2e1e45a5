"""What a domain says of a desired row whose value does not fit: one text beside the values. Light to import."""

from collections.abc import Sequence

from integrations.models import OutboxRow


def problem_text(code: str, fields: Sequence[str], sentence: str) -> str:
    """The content of the column `problem`: a stable code, all fields whose values do not fit, what is wrong with the first."""
    return f"{code}:{','.join(fields)}:{sentence}"


def read_problem(text: str) -> tuple[str, list[str], str]:
    """Code, fields and sentence of a problem."""
    code, names, sentence = (*text.split(":", 2), "", "")[:3]
    return code, [name for name in names.split(",") if name], sentence


def can_be_sent(row: OutboxRow) -> bool:
    """Whether a waiting row can be sent as it stands. Nothing is sent of a row with a value that does not fit until a person
    gave another value for each such field; rows without values were stopped for another reason than their values."""
    wanted = {name.lower() for name in (*row.values, *row.edited)}
    if row.state != OutboxRow.State.UNFIT:
        return bool(wanted)
    given = {name.lower() for name in row.edited}
    return bool(row.fields) and all(name.lower() in given for name in row.fields)
