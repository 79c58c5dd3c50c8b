-- An operator has seen to what was flagged. Lives on the primary key.
UPDATE payments SET flagged = NULL, changed_at = now() WHERE id = %(id)s AND flagged IS NOT NULL
