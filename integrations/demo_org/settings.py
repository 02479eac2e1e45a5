"""The switches of a demo org that the control plane can change while it runs."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_type_hints


@dataclass
class Settings:
    """Every switch with its default. Times are seconds. `update` checks names and types."""

    # signing in
    rotation: bool = False  # a refresh returns a new refresh token and kills the old one
    require_pkce: bool = False
    session_seconds: float = 7200
    soap_login_enabled: bool = True
    password_flow_enabled: bool = False
    security_token_required: bool = True
    refresh_token_seconds: float = 0  # life of a refresh token; 0 = until revoked
    trusted_addresses: list[str] = field(default_factory=list)  # networks from which no security token is needed
    login_addresses: list[str] = field(default_factory=list)  # networks that may sign in; empty = all
    # access
    api_enabled: bool = True
    hidden_objects: list[str] = field(default_factory=list)
    hidden_fields: dict[str, list[str]] = field(default_factory=dict)  # object name -> field names nobody can see
    multi_currency: bool = False
    # limits: overrides of the `limits` resource, by name; `api_requests_used` is the count of the rolling day
    limits: dict[str, int] = field(default_factory=dict)
    api_requests_used: int = 0
    concurrent_limit_reached: bool = False
    # time
    late_commit_seconds: float = 0  # a write becomes visible so much later, with its older SystemModstamp
    bulk_job_seconds: float = 0  # how long a bulk job stays InProgress
    report_seconds: float = 0  # how long an asynchronous report run takes
    deploy_seconds: float = 0
    # records
    locked_records: list[str] = field(default_factory=list)  # writes to these or to their children fail with row locks
    validation_rules: list[dict[str, Any]] = field(default_factory=list)  # {object, field, op, value, message, error_field?}
    query_page_size: int = 2000
    bulk_page_rows: int = 0  # rows of a bulk result page when the client does not say; 0 = all
    # anything else a feature needs, by its own name
    extra: dict[str, Any] = field(default_factory=dict)

    def update(self, changes: dict[str, Any]) -> None:
        """Apply a partial update. ValueError names an unknown setting or a value of the wrong type; nothing changes then."""
        hints = get_type_hints(Settings)
        for name, value in changes.items():
            if name not in hints:
                raise ValueError(f"There is no setting {name}. Known: {', '.join(each.name for each in fields(self))}")
            wanted = getattr(hints[name], "__origin__", hints[name])
            fits = isinstance(value, int | float if wanted is float else wanted)
            if not fits or (wanted in {int, float} and isinstance(value, bool)):
                raise ValueError(f"Setting {name} takes {wanted.__name__}, not {value!r}")
        for name, value in changes.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """All settings, ready for JSON."""
        return asdict(self)
