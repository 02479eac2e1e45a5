from tests.mapping.conftest import _fresh_describes, account_mapping, contact_mapping

__all__ = ["_fresh_describes", "account_mapping", "contact_mapping"]
