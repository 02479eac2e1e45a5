"""Who makes a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `time_zone` is an IANA name. `sees_all`: a flow in system mode, which no field access stops."""

    user_id: str
    username: str = ""
    session_id: str = ""
    scopes: tuple[str, ...] = ("api",)
    time_zone: str = "UTC"
    is_admin: bool = False
    sees_all: bool = False
