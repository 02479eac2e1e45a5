from tests.demo_org.core.conftest import core, served

__all__ = ["core", "served"]
