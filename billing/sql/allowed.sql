-- What an account's tariffs allow and allowed: each of its periods with each version of that period's tariff, in order.
-- Lives on tariff_periods (account_id, since, id) and tariff_versions (tariff_id, since).
SELECT p.id AS period_id, nullif(p.since, '-infinity') AS period_since, t.name, v.since, v.history_days, v.zones, v.proximities, v.sms,
    v.reports, v.api, a.time_zone
FROM tariff_periods p
JOIN accounts a ON a.id = p.account_id
JOIN tariffs t ON t.id = p.tariff_id
JOIN tariff_versions v ON v.tariff_id = t.id
WHERE p.account_id = %(account_id)s
ORDER BY p.since, p.id, v.since
