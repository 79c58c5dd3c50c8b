-- An operator should look at a payment. Lives on the primary key.
UPDATE payments SET flagged = %(flagged)s, changed_at = %(now)s WHERE id = %(id)s
