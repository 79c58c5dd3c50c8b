-- The version of a tariff that would begin on this day. Lives on the unique index of tariff and day.
DELETE FROM tariff_versions WHERE tariff_id = %(tariff_id)s AND since = %(since)s
