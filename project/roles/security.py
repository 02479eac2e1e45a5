"""Who may open what of security and the audit: admins, because these pages say where the doors are."""

PAGES: dict[str, str] = {
    "audit_export": "admin",
    "audit_log": "admin",
    "audit_verify": "admin",
    "security": "admin",
    "security_check": "admin",
    "security_check_all": "admin",
    "security_deploy": "admin",
    "security_drill": "admin",
    "security_org": "admin",
    "security_people": "admin",
    "security_permission_set": "admin",
    "security_permission_set_file": "admin",
}
API: dict[str, tuple[str, str]] = {
    "audit-detail": ("admin", "admin"),
    "audit-integrity-list": ("admin", "admin"),
    "audit-list": ("admin", "admin"),
}
