-- All tariffs with all their versions, by number and day. Small tables, read whole.
SELECT t.id AS tariff_id, t.name, t.description, t.currency, t.offered, v.id, v.since, v.price, v.sms_price, v.history_days, v.zones,
    v.proximities, v.sms, v.reports, v.api
FROM tariffs t JOIN tariff_versions v ON v.tariff_id = t.id
ORDER BY t.id, v.since
