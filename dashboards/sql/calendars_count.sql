-- How many calendars the viewer may see. Index of calendars (account_id, id).
SELECT count(*) FROM calendars WHERE %(everything)s OR account_id = %(account_id)s
