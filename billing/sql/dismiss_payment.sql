-- An operator has seen to it. Lives on the primary key.
UPDATE payments SET flagged = NULL, note = coalesce(%(note)s, note), changed_at = %(now)s WHERE id = %(id)s AND flagged IS NOT NULL
