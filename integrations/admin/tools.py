"""Back office of what other packages registered, in the same look; what nothing uses is taken out."""

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django_q.models import Failure, OrmQ, Schedule, Success
from social_django.models import Association, Nonce, UserSocialAuth
from unfold.admin import ModelAdmin

from integrations.admin.runs import ReadOnlyAdmin

for model in (UserSocialAuth, Nonce, Association):  # no tokens and no accounts live there
    admin.site.unregister(model)

# A schedule names a program that the worker runs: nobody writes one by hand, the timetable does (S-043).
QUEUE = {Failure, OrmQ, Schedule, Success}

for model in (AccessAttempt, AccessFailureLog, AccessLog, Failure, OrmQ, Schedule, Success):
    if model in admin.site._registry:
        plain = type(admin.site._registry[model])
        admin.site.unregister(model)
        bases = (ReadOnlyAdmin, plain) if model in QUEUE else (plain, ModelAdmin)
        extra = {"list_per_page": 50} | ({"actions": None} if model in QUEUE else {})
        skinned = type(plain.__name__, bases, extra)  # pyright: ignore[reportGeneralTypeIssues]
        admin.site.register(model, skinned)
