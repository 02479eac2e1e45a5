"""Salesforce's way of saying no: a JSON array of {message, errorCode, fields?}."""


class ApiError(Exception):
    """Raised by any handler; the server renders it. `code` is Salesforce's errorCode."""

    def __init__(self, status: int, code: str, message: str, fields: tuple[str, ...] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.fields = status, code, message, fields
