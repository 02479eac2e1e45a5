"""Pages of the ground floor: connections and runs."""

from django.urls import path

from integrations.views import connections, runs

app_name = "integrations"
urlpatterns = [
    path("connections/", connections.connection_list, name="connections"),
    path("connections/new/", connections.connection_new, name="connection_new"),
    path("connections/reauthorize/", connections.reauthorize, name="reauthorize"),
    path("connections/revoke-all/", connections.revoke_all, name="revoke_all"),
    path("connections/<int:pk>/", connections.connection, name="connection"),
    path("connections/<int:pk>/settings/", connections.connection_settings, name="connection_settings"),
    path("connections/<int:pk>/environment/", connections.connection_environment, name="connection_environment"),
    path("connections/<int:pk>/sign-in/", connections.connection_credentials, name="connection_credentials"),
    path("connections/<int:pk>/key/", connections.connection_key, name="connection_key"),
    path("connections/<int:pk>/authorize/", connections.connection_authorize, name="connection_authorize"),
    path("connections/<int:pk>/check/", connections.connection_check, name="connection_check"),
    path("connections/<int:pk>/first-sync/", connections.connection_first_sync, name="connection_first_sync"),
    path("connections/<int:pk>/test/", connections.connection_test, name="connection_test"),
    path("connections/<int:pk>/pause/", connections.connection_pause, name="connection_pause"),
    path("connections/<int:pk>/resume/", connections.connection_resume, name="connection_resume"),
    path("connections/<int:pk>/disconnect/", connections.connection_disconnect, name="connection_disconnect"),
    path("connections/<int:pk>/delete/", connections.connection_delete, name="connection_delete"),
    path("accounts/confirm/", connections.confirm_login, name="confirm_login"),
    path("accounts/salesforce/", connections.sign_in_with_salesforce, name="signin_salesforce"),
    path("runs/", runs.run_list, name="runs"),
    path("runs/<int:pk>/", runs.run_detail, name="run"),
    path("runs/<int:pk>/progress/", runs.run_progress, name="run_progress"),
    path("runs/<int:pk>/rows.csv", runs.run_rows_csv, name="run_rows_csv"),
    path("runs/<int:pk>/cancel/", runs.cancel, name="run_cancel"),
    path("runs/<int:pk>/retry/", runs.retry, name="run_retry"),
    path("runs/start/", runs.start, name="run_start"),
]
