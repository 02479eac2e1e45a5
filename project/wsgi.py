"""Entry point of the web server."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_wsgi_application()

from django.conf import settings  # noqa: E402 - only now are the settings known
from django.urls import get_resolver  # noqa: E402

from project.chunked import WholeBodies  # noqa: E402

application = WholeBodies(application, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

if settings.ENTITLEMENT_FRONT:
    from provisioning.entitlements.front import Front

    application = Front(application)

# All views now, not with somebody's first request. What stands from here on stands until the end: a full collection that walks
# through its 250,000 objects holds every request up for a tenth of a second.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
