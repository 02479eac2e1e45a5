"""What the queue calls for product experience beside its jobs."""

from django.utils import timezone

from integrations.product.task_rules import forgetting


def forget_erased() -> int:
    """Each hour: texts of tasks whose customer was erased go; how many tasks."""
    return forgetting.forget(now=timezone.now())
