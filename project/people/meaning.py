"""What each role may do, in a sentence; the people pages and docs/roles.md show the same."""

MEANING: tuple[tuple[str, str], ...] = (
    (
        "superadmin",
        "Everything; alone makes admins, keeps others' API keys and secrets, and revokes all connections at once.",
    ),
    ("admin", "All domains, connections and configuration; people below an admin."),
    ("operator", "Runs, repairs and sets up everything in every domain."),
    ("domain", "What an operator may do, in the pages and the API of one domain; elsewhere as the role beside it says."),
    ("analyst", "Reads everything, with people's data hidden; asks analyses, keeps segments and groups of their own."),
    ("member", "Reads the domains; writes key results of their own, and links them to reports with a license."),
    ("viewer", "Reads what an analyst reads and changes nothing but their own preferences."),
)
