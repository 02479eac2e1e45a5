"""Entry point of the web server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_wsgi_application()

from django.conf import settings  # noqa: E402 - only now are the settings known

from project.chunked import WholeBodies  # noqa: E402

application = WholeBodies(application, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

if settings.ENTITLEMENT_FRONT:
    from provisioning.entitlements.front import Front

    application = Front(application)
