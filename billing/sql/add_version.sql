-- A version of a tariff. Lives on the unique index of tariff and day.
INSERT INTO tariff_versions (tariff_id, since, price, sms_price, history_days, zones, proximities, sms, reports, api)
VALUES (%(tariff_id)s, %(since)s, %(price)s, %(sms_price)s, %(history_days)s, %(zones)s, %(proximities)s, %(sms)s, %(reports)s, %(api)s)
