"""A form sent twice (double click, reload, impatient retry) does its work once (R-283)."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.core.cache import cache
from django.http import HttpRequest

KEPT_SECONDS = 24 * 3600


@dataclass
class Sending:
    """One arrival of a form. `is_repeat` says that its token was used before; `url` is where the first one led."""

    is_repeat: bool
    url: str = ""
    is_given_back: bool = False

    def led_to(self, url: str) -> None:
        """Remember where a repeat should go."""
        self.url = url

    def give_back(self) -> None:
        """Nothing was done after all: the token may be used again."""
        self.is_given_back = True


@contextmanager
def sent_once(request: HttpRequest) -> Iterator[Sending]:
    """Claims the form's `form_token` for this person. An error inside gives the token back, so that trying again works.

    A form without a token is always new.
    """
    token = request.POST.get("form_token", "")
    if not token:
        yield Sending(is_repeat=False)
        return
    digest = hashlib.sha256(f"{request.user.pk}:{token}".encode()).hexdigest()
    key = f"form-{digest}"
    if not cache.add(key, "", KEPT_SECONDS):
        yield Sending(is_repeat=True, url=cache.get(key) or "")
        return
    sending = Sending(is_repeat=False)
    try:
        yield sending
    except BaseException:
        cache.delete(key)
        raise
    if sending.is_given_back:
        cache.delete(key)
    else:
        cache.set(key, sending.url, KEPT_SECONDS)
