"""Back office of what other packages registered, in the same look; what nothing uses is taken out."""

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django_q.models import Failure, OrmQ, Schedule, Success
from social_django.models import Association, Nonce, UserSocialAuth
from unfold.admin import ModelAdmin

for model in (UserSocialAuth, Nonce, Association):  # no tokens and no accounts live there
    admin.site.unregister(model)

for model in (AccessAttempt, AccessFailureLog, AccessLog, Failure, OrmQ, Schedule, Success):
    if model in admin.site._registry:
        plain = type(admin.site._registry[model])
        admin.site.unregister(model)
        skinned = type(plain.__name__, (plain, ModelAdmin), {"list_per_page": 50})  # pyright: ignore[reportGeneralTypeIssues]
        admin.site.register(model, skinned)
