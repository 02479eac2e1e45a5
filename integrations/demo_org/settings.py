"""The switches of a demo org that the control plane can change while it runs."""

# ruff: noqa: RUF009 - _switch makes a field() with its help, never a value that instances would share

from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_type_hints


def _switch(default: Any, text: str) -> Any:
    """A setting with what the control plane's help says about it; lists and mappings start empty."""
    if default in (list, dict):
        return field(default_factory=default, metadata={"help": text})
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": text})
    return field(default=default, metadata={"help": text})


@dataclass
class Settings:
    """Every switch with its default. Times are seconds. `update` checks names and types."""

    # signing in
    rotation: bool = _switch(False, "a refresh returns a new refresh token and kills the old one")
    require_pkce: bool = _switch(False, "the authorization code flow needs PKCE")
    session_seconds: float = _switch(7200, "life of a session without use")
    soap_login_enabled: bool = _switch(True, "SOAP login() works")
    password_flow_enabled: bool = _switch(False, "the OAuth password flow works")
    security_token_required: bool = _switch(True, "passwords need the security token behind them")
    refresh_token_seconds: float = _switch(0, "life of a refresh token; 0 = until revoked")
    trusted_addresses: list[str] = _switch(list, "networks from which no security token is needed")
    login_addresses: list[str] = _switch(list, "networks that may sign in; empty = all")
    # access
    api_enabled: bool = _switch(True, "false: every data call is refused with API_DISABLED_FOR_ORG")
    hidden_objects: list[str] = _switch(list, "objects that nobody sees; for single users see /__demo__/rights")
    hidden_fields: dict[str, list[str]] = _switch(dict, "object name -> field names that nobody sees")
    multi_currency: bool = _switch(False, "records have CurrencyIsoCode, the currency objects exist")
    # limits
    limits: dict[str, int] = _switch(dict, "overrides of the limits resource by name; see also /__demo__/allowance")
    api_requests_used: int = _switch(0, "calls of the rolling day that others made")
    concurrent_limit_reached: bool = _switch(False, "every data call is refused with the concurrent limit")
    # the network
    latency_seconds: float = _switch(0, "every answer comes so much later (0.08 = 80 ms)")
    bytes_per_second: float = _switch(0, "most bytes a second on one connection, up and down; 0 = no limit")
    # time
    late_commit_seconds: float = _switch(0, "a write becomes visible so much later, with its older SystemModstamp")
    bulk_job_seconds: float = _switch(0, "how long a bulk job stays InProgress")
    report_seconds: float = _switch(0, "how long an asynchronous report run takes")
    deploy_seconds: float = _switch(0, "how long a metadata deployment takes")
    # what hinders a save (REST, composite and bulk alike)
    read_only: bool = _switch(False, "maintenance: every write fails; bulk jobs cannot be created")
    storage_full: bool = _switch(False, "new records fail with STORAGE_LIMIT_EXCEEDED, changes go on")
    trigger_row_limits: dict[str, int] = _switch(
        dict, "object -> rows: all rows of a larger chunk (200 at most) fail, CPU limit"
    )
    locked_records: list[str] = _switch(list, "ids: writes to these or to their children fail with UNABLE_TO_LOCK_ROW")
    lock_percent: float = _switch(0, "so many percent of all rows fail with UNABLE_TO_LOCK_ROW, evenly spread")
    parent_lock_seconds: float = _switch(
        0, "a write holds the parents of its rows so long: others that touch children of them fail with UNABLE_TO_LOCK_ROW; a "
        "bulk job works on pairs of chunks of 200, the second of a pair loses the parents that the first has",
    )  # fmt: skip
    approval_locked: list[str] = _switch(list, "ids of records in approval: changes fail with ENTITY_IS_LOCKED")
    validation_rules: list[dict[str, Any]] = _switch(
        list, "{object, field, op, value, message, error_field?} or {object, formula, message, ...}; see also /__demo__/rules"
    )
    duplicate_rules: list[dict[str, Any]] = _switch(list, "{object, fields: [...], message?}: DUPLICATES_DETECTED")
    # flows and outbound messages
    callout_hosts: list[str] = _switch(["127.0.0.1", "localhost", "::1"], "hosts to which flows and messages may go")
    callout_seconds: float = _switch(120, "the longest that a callout or outbound message may take")
    outbound_retry_seconds: float = _switch(
        60, "wait before an outbound message without Ack is sent again; doubles, 2 h at most"
    )
    credential_access_required: bool = _switch(True, "a user needs a permission set with access to an external credential")
    # reading
    query_page_size: int = _switch(2000, "records a query page when the client does not say")
    # bulk jobs
    bulk_page_rows: int = _switch(0, "rows of a bulk result page when the client does not say; 0 = all")
    bulk_parallel_rows: int = _switch(0, "rows of a parallel result page; 0 = as usual")
    bulk_hold: bool = _switch(False, "bulk jobs stay InProgress")
    bulk_fail: str = _switch("", "bulk jobs end Failed with this text")
    bulk_fail_after: int = _switch(0, "rows that an ingest job handles before it fails so; the rest stays unprocessed")
    bulk_lock_percent: float = _switch(0, "so many percent of the rows of ingest jobs fail with UNABLE_TO_LOCK_ROW")
    extra: dict[str, Any] = _switch(dict, "anything else a feature needs, by its own name")

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


def describe_settings() -> list[tuple[str, Any, str]]:
    """(name, default, what it does) of every setting."""
    fresh = Settings()
    return [(each.name, getattr(fresh, each.name), each.metadata["help"]) for each in fields(Settings)]
