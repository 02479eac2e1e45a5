"""Whether a migration lets the version before it go on working beside the new one; a test asks of every migration. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.migrations import operations
from django.db.models import NOT_PROVIDED

HARMLESS = (
    operations.CreateModel, operations.AddIndex, operations.RemoveIndex, operations.AlterModelOptions,
    operations.AlterModelManagers, operations.SeparateDatabaseAndState, operations.RemoveConstraint,
)  # fmt: skip


def hindrances(steps: Sequence[Any]) -> Iterator[str]:
    """What in a migration's operations would hurt the version before: one sentence each.

    That version reads columns by name and writes rows without the new ones. So nothing it knows may go or be renamed, and a
    new column of a table that it writes must be nullable or have a default in the database itself.
    """
    made = {step.name.lower() for step in steps if isinstance(step, operations.CreateModel)}
    for step in steps:
        if isinstance(step, HARMLESS) or getattr(step, "model_name", "").lower() in made:
            continue
        if isinstance(step, operations.AddField):
            if not (step.field.null or step.field.many_to_many or step.field.db_default is not NOT_PROVIDED):
                yield f"{step.model_name}.{step.name} is neither nullable nor has a db_default: older code cannot insert rows."
        elif isinstance(step, operations.AlterField):
            if not step.field.null and step.field.db_default is NOT_PROVIDED and not step.preserve_default:
                yield f"{step.model_name}.{step.name} becomes required."
        else:
            yield f"{type(step).__name__} {getattr(step, 'model_name', '') or getattr(step, 'name', '')}: {step.describe()}."
