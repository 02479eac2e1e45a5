"""Addresses of the billing pages."""

from django.urls import path

from billing.views import catalogue, overview, records

app_name = "billing"
urlpatterns = [
    path("", overview.show, name="overview"),
    path("connections/<int:org_id>/push/", overview.push_now, name="push"),
    path("connections/<int:org_id>/check/", overview.check, name="check"),
    path("connections/<int:org_id>/settings/", overview.settings, name="settings"),
    path("connections/<int:org_id>/deploy/", overview.deploy, name="deploy"),
    path("connections/<int:org_id>/people/", overview.people, name="people"),
    path("connections/<int:org_id>/leftovers/", overview.leftover, name="leftovers"),
    path("package.zip", overview.package_zip, name="package"),
    path("rate/", overview.rate_now, name="rate"),
    path("links/", overview.links, name="links"),
    path("links/<int:pk>/remove/", overview.unlink, name="unlink"),
    path("links/<int:pk>/primary/", overview.primary, name="primary"),
    path("customers/", records.customers, name="customers"),
    path("customers/<int:pk>/", records.customer, name="customer"),
    path("customers/<int:pk>/link/<int:org_id>/", overview.link, name="link"),
    path("invoices/", records.invoices, name="invoices"),
    path("invoices/export.csv", records.invoices_csv, name="invoices_csv"),
    path("invoices/<int:pk>/", records.invoice, name="invoice"),
    path("invoices/<int:pk>/void/", records.void, name="void"),
    path("credits/", records.credits, name="credits"),
    path("credits/<int:pk>/", records.credit, name="credit"),
    path("plans/", catalogue.plans, name="plans"),
    path("plans/<int:pk>/", catalogue.plan, name="plan"),
    path("plans/<int:plan_id>/prices/new/", catalogue.price, name="price_create"),
    path("plans/<int:plan_id>/prices/<int:pk>/", catalogue.price, name="price"),
    path("plans/<int:plan_id>/prices/<int:pk>/delete/", catalogue.price_delete, name="price_delete"),
    path("metrics/", catalogue.metrics, name="metrics"),
    path("metrics/<int:pk>/", catalogue.metric, name="metric"),
    path("import/", catalogue.import_file, name="import"),
    path("import/<slug:key>.csv", catalogue.template, name="import_template"),
]
