-- Acknowledges alerts that nobody has yet: those with the ids, or the newest so many up to a number. Returns their numbers.
-- Index of alerts (account_id, id) WHERE acknowledged_at IS NULL.
UPDATE alerts
SET acknowledged_at = now(), acknowledged_by = %(user_id)s
WHERE id IN (
    SELECT id
    FROM alerts
    WHERE (%(everything)s OR account_id = %(account_id)s) AND acknowledged_at IS NULL
      AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s)) AND (%(up_to)s::bigint IS NULL OR id <= %(up_to)s)
    ORDER BY id DESC
    LIMIT %(limit)s
)
RETURNING id, account_id, device_id
