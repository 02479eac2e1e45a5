"""SOAP carries the session in its body, so an attempt after a token refresh needs another body."""

import io
from collections.abc import Callable

from integrations.salesforce.client import Client


class SessionBody(io.BytesIO):
    """A SOAP message that is written anew each time it is rewound, which happens before each attempt.

    `write_message` gets the access token of that moment and gives the whole message.
    """

    def __init__(self, client: Client, write_message: Callable[[str], bytes]) -> None:
        super().__init__()
        self._client, self._write_message = client, write_message

    def __len__(self) -> int:
        return self.getbuffer().nbytes

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if (offset, whence) == (0, 0):
            super().seek(0)
            super().truncate()
            self.write(self._write_message(self._client.tokens.current().access_token))
        return super().seek(offset, whence)
