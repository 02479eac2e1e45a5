"""How much work something takes: seconds of processor time, which do not depend on what else the machine does meanwhile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """What happens inside, in all threads of this process, takes at most so long."""
    began = time.process_time()
    yield
    spent = time.process_time() - began
    assert spent < seconds, f"{spent:.2f} s of work; at most {seconds} s are right"
