"""One registry for the reference's three lists: each of their lines leads to one key, and no two keys share a column."""

from collections import Counter

from integrations.product.kpis import registry
from integrations.product.kpis.registry import KPIS, FeatureKpis, columns_for, keys_called
from integrations.sync.mapping.catalogue import column_of

# The lines of the reference, list by list, with the key that each means.
LIST_A = {
    "Month over Month (MoM) Change": "active_users_30d_pct", "Weekly Active Users (WAU) Count": "active_users_7d",
    "Quarterly Active Users (QAU) Count": "active_users_90d", "Quarter over Quarter (QoQ) Change": "active_users_90d_pct",
    "Week over Week (WoW) Change": "active_users_7d_pct", "Last Week NPS Score": "nps_score_last_week",
    "WoW NPS Score": "nps_score_wow", "Last Week NPS Responses": "nps_responses_last_week",
    "WoW NPS Responses": "nps_responses_wow", "Last Quarter NPS Score": "nps_score_last_quarter",
    "Last Month NPS Score": "nps_score_last_month", "Last Quarter NPS Responses": "nps_responses_last_quarter",
    "Last Month NPS Responses": "nps_responses_last_month", "QoQ NPS Score": "nps_score_qoq",
    "QoQ NPS Responses": "nps_responses_qoq", "MoM NPS Score": "nps_score_mom", "MoM NPS Responses": "nps_responses_mom",
    "Monthly Active Users (MAU) Count": "active_users_30d", "Last Month MAU": "active_users_last_month",
}  # fmt: skip
LIST_B = {
    "Active engagements count": "engagements_active", "Number of engagements field": "engagements_total",
    "90 day NPS Score": "nps_score_90d", "30 day NPS Score": "nps_score_30d", "7 day NPS Score": "nps_score_7d",
    "90 day NPS Responses": "nps_responses_90d", "30 day NPS Responses": "nps_responses_30d",
    "7 day NPS Responses": "nps_responses_7d", "% change in 90 day NPS": "nps_score_90d_pct",
    "Feature Users Last 90 Days": "feature_users_90d", "Feature Users Last 30 Days": "feature_users_30d",
    "Feature Users Last 7 Days": "feature_users_7d", "% change in 90 Day Feature Users": "feature_users_90d_pct",
    "% change in 30 Day Feature Users": "feature_users_30d_pct", "% change in 7 Day Feature Users": "feature_users_7d_pct",
    "90 Day Active User Count": "active_users_90d", "30 Day Active User Count": "active_users_30d",
    "7 Day Active User Count": "active_users_7d", "% change in 90 Day Active User": "active_users_90d_pct",
    "% change in 30 Day Active User": "active_users_30d_pct", "% change in 7 Day Active User": "active_users_7d_pct",
}  # fmt: skip
LIST_C = {
    "Feature usage last 7 days": "feature_users_7d", "Feature usage monthly change": "feature_users_30d_pct",
    "Feature usage quarterly change": "feature_users_90d_pct", "Feature usage weekly change": "feature_users_7d_pct",
    "Last month NPS responses": "nps_responses_last_month", "Last month NPS score": "nps_score_last_month",
    "Last quarter NPS responses": "nps_responses_last_quarter", "Last quarter NPS score": "nps_score_last_quarter",
    "Last Week NPS responses": "nps_responses_last_week", "Last Week NPS score": "nps_score_last_week",
    "Month over month NPS responses": "nps_responses_mom", "Month over month NPS score": "nps_score_mom",
    "Monthly active users": "active_users_30d", "Monthly active users change": "active_users_30d_pct",
    "Quarter over quarter NPS responses": "nps_responses_qoq", "Quarter over quarter NPS score": "nps_score_qoq",
    "Quarterly active users": "active_users_90d", "Quarterly active users change": "active_users_90d_pct",
    "Week over week NPS responses": "nps_responses_wow", "Week over week NPS score": "nps_score_wow",
    "Weekly active users": "active_users_7d", "Weekly active users change": "active_users_7d_pct",
}  # fmt: skip


def named(lists: str) -> dict[str, str]:
    return {name: each.key for each in KPIS for name in getattr(each, lists)}


def test_px_43_list_a_has_nineteen_lines_and_each_leads_to_one_key():
    assert named("list_a") == LIST_A
    assert len(LIST_A) == 19


def test_px_61_to_64_list_b_and_the_siblings_of_its_odd_line():
    siblings = {f"% change in {days} day NPS": f"nps_score_{days}d_pct" for days in (7, 30)}
    assert named("list_b") == LIST_B | siblings
    assert len(LIST_B) == 21


def test_px_65_list_c_has_twenty_four_lines_of_which_one_is_printed_twice():
    found = named("list_c")
    twice = {name: key for name, key in found.items() if name.startswith("Feature usage last 30 days")}
    assert sorted(twice.values()) == ["feature_users_30d", "feature_users_90d"]  # the second is read as 90
    assert {name: key for name, key in found.items() if name not in twice} == LIST_C
    assert len(found) == 24
    assert keys_called("feature usage last 30 days") == ["feature_users_30d", "feature_users_90d"]


def test_every_key_and_column_exists_once():
    features = [FeatureKpis(1, "reports", "Reports", 1), FeatureKpis(2, "users_7d", "Odd", 2)]
    columns = columns_for(features)
    for names in ([each.key for each in columns], [column_of(each.key).lower() for each in columns]):
        assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len([each for each in columns if each.feature == features[0]]) == 9  # PX-D16: up to nine a feature


def test_px_43_the_dropdown_shows_the_references_name_and_our_definition():
    column = next(each for each in columns_for([]) if each.key == "active_users_30d")
    assert column.label == "Monthly Active Users (MAU) Count"
    assert "last 30 complete UTC days" in column.definition
    assert "30 Day Active User Count" in column.definition
    feature = columns_for([FeatureKpis(1, "reports", "Reports", 1)])[-1]
    assert feature.label.endswith(": Reports")
    assert "the feature Reports" in feature.definition


def test_counts_and_scores_are_whole_and_percents_are_not():
    assert {each.key for each in KPIS if not each.is_whole} == {
        each.key
        for each in KPIS
        if each.key.endswith("_pct") or (each.key.startswith("nps_responses_") and each.unit == registry.PERCENT)
    }
    assert not registry.BY_KEY["nps_responses_mom"].is_whole
    assert registry.BY_KEY["nps_score_mom"].is_whole
