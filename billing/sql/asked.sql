-- A payment was asked after. Lives on the primary key.
UPDATE payments SET changed_at = %(now)s WHERE id = %(id)s
