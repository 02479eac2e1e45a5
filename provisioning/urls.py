"""Addresses of the provisioning pages."""

from django.urls import include, path

from provisioning.views import connection, customers, provisions, set_up, subscriptions

app_name = "provisioning"
urlpatterns = [
    path("", provisions.overview, name="overview"),
    path("provisions/", provisions.provision_list, name="provisions"),
    path("provisions/<int:pk>/", provisions.provision, name="provision"),
    path("provisions/<int:pk>/progress/", provisions.progress, name="progress"),
    path("provisions/<int:pk>/resume/", provisions.resume, name="resume"),
    path("provisions/<int:pk>/answer/", provisions.answer, name="answer"),
    path("provisions/<int:pk>/again/", provisions.again, name="again"),
    path("connections/<int:org_id>/look/", provisions.look_now, name="look_now"),
    path("connections/<int:org_id>/settings/", connection.settings, name="settings"),
    path("connections/<int:org_id>/key/", connection.make_key, name="key"),
    path("connections/<int:org_id>/remove/", connection.remove, name="remove"),
    path("connections/<int:org_id>/set-up-again/", connection.set_up_again, name="set_up_again"),
    path("", include("provisioning.catalogue.urls")),
    path("", include("provisioning.automations.urls")),
    path("connections/<int:org_id>/set-up/", set_up.show, name="set_up"),
    path("connections/<int:org_id>/set-up/check/", set_up.check, name="check_org"),
    path("connections/<int:org_id>/set-up/deploy/", set_up.deploy, name="deploy"),
    path("connections/<int:org_id>/set-up/package.zip", set_up.package_zip, name="package"),
    path("connections/<int:org_id>/set-up/people/", set_up.people, name="set_up_people"),
    path("connections/<int:org_id>/set-up/key/", set_up.key, name="store_key"),
    path("connections/<int:org_id>/set-up/flows/", set_up.flows, name="flows"),
    path("subscriptions/", subscriptions.subscriptions, name="subscriptions"),
    path("subscriptions/export.csv", subscriptions.subscriptions_csv, name="subscriptions_csv"),
    path("subscriptions/<str:key>/", subscriptions.subscription, name="subscription"),
    path("subscriptions/<str:key>/cancel/", subscriptions.subscription_cancel, name="subscription_cancel"),
    path("subscriptions/<str:key>/reactivate/", subscriptions.subscription_reactivate, name="subscription_reactivate"),
    path("subscriptions/<str:key>/extend/", subscriptions.subscription_extend, name="subscription_extend"),
    path("subscriptions/<str:key>/change/<str:way>/", subscriptions.subscription_change, name="subscription_change"),
    path("customers/<int:pk>/", customers.customer, name="customer"),
    path("customers/<int:pk>/usage.csv", customers.usage_csv, name="usage_csv"),
    path("customers/<int:pk>/grants/", customers.promotion_grant, name="promotion_grant"),
    path("grants/<int:pk>/revoke/", customers.promotion_revoke, name="promotion_revoke"),
]
