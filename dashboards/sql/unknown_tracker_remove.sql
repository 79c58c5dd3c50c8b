-- What calls itself so is no longer unknown, by one protocol or by all; the table is bounded.
DELETE FROM unknown_trackers WHERE unique_id = %(unique_id)s AND (%(protocol)s::text IS NULL OR protocol = %(protocol)s)
