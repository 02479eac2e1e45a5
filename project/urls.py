"""Every address of the web application."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from project import back_office, budget_views, customer_views, health, views, why_views
from project.audit_log import views as audit_views
from project.four_way import views as four_way_views
from project.needs_person import views as needs_views
from project.searching import views as search_views

admin.site.login = views.admin_sign_in  # one door for everybody: throttled, in the audit
back_office.widen_policy(admin.site)
back_office.guard(admin.site)

urlpatterns = [
    path("", views.home, name="home"),
    path("needs/", needs_views.need_list, name="needs"),
    path("needs/count/", needs_views.needs_count, name="needs_count"),
    path("first-steps/dismiss/", needs_views.first_steps_dismiss, name="first_steps_dismiss"),
    path("budget/", budget_views.budget_list, name="budget"),
    path("budget/<int:pk>/", budget_views.budget_org, name="budget_org"),
    path("budget/<int:pk>/settings/", budget_views.budget_change, name="budget_change"),
    path("", include("integrations.urls")),
    path("product/", include("integrations.product.urls")),
    path("okr/", include("okr.urls")),
    path("billing/", include("billing.urls")),
    path("provisioning/", include("provisioning.urls")),
    path("analytics/", include("analytics.urls")),
    path("configuration/", include("project.configuration.urls")),
    path("customers/", customer_views.customer_list, name="customers"),
    path("customers/export.csv", customer_views.customers_csv, name="customers_csv"),
    path("customers/conflicts/", customer_views.conflicts, name="customer_conflicts"),
    path("customers/why/", why_views.record_why, name="record_why"),
    path("customers/end-users/", customer_views.end_user_list, name="end_users"),
    path("customers/end-users/export.csv", customer_views.end_users_csv, name="end_users_csv"),
    path("customers/end-users/<int:pk>/", customer_views.end_user, name="end_user"),
    path("customers/links/<int:pk>/undo/", customer_views.link_undo, name="link_undo"),
    path("customers/<int:pk>/", customer_views.customer, name="customer"),
    path("customers/<int:pk>/timeline/", customer_views.customer_timeline, name="customer_timeline"),
    path("customers/<str:entity>/<int:pk>/links/<int:org_pk>/", customer_views.link_change, name="link_change"),
    path("customers/<str:entity>/<int:pk>/links/<int:org_pk>/wins/", customer_views.link_wins, name="link_wins"),
    path("customers/<str:entity>/<int:pk>/links/<int:org_pk>/why/", customer_views.match_trace, name="match_trace"),
    path("", include("project.people.urls")),
    path("search/", search_views.search, name="search"),
    path("docs/", include("project.documents.urls")),
    path("security/", include("project.security.urls")),
    path("audit/", audit_views.audit_log, name="audit_log"),
    path("audit/export.<slug:form>", audit_views.audit_export, name="audit_export"),
    path("audit/verify/", audit_views.audit_verify, name="audit_verify"),
    path("audit/four-way/", four_way_views.four_way, name="four_way"),
    path("audit/four-way/export.csv", four_way_views.four_way_csv, name="four_way_csv"),
    path("audit/four-way/explain/", four_way_views.four_way_explain, name="four_way_explain"),
    path("audit/four-way/won/", four_way_views.four_way_won, name="four_way_won"),
    path("audit/four-way/won.csv", four_way_views.four_way_won_csv, name="four_way_won_csv"),
    path("audit/four-way/won/<int:org_pk>/", four_way_views.four_way_take_over, name="four_way_take_over"),
    path("audit/four-way/compare/", four_way_views.four_way_compare, name="four_way_compare"),
    path("accounts/login/", views.SignIn.as_view(), name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("oauth/", include("social_django.urls", namespace="social")),
    path("admin/", admin.site.urls),
    path("api/schema/", login_required(SpectacularAPIView.as_view()), name="schema"),
    path("api/docs/", login_required(SpectacularSwaggerSplitView.as_view(url_name="schema")), name="api_docs"),
    path("api/v1/", include("project.api_urls")),
    path("favicon.ico", views.favicon, name="favicon"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

handler400 = "project.views.bad_request"
handler403 = "project.views.forbidden"
handler404 = "project.views.not_found"
handler500 = "project.views.server_error"
