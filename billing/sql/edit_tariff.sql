-- A tariff's words. Lives on the primary key.
UPDATE tariffs SET name = %(name)s, description = %(description)s, offered = %(offered)s WHERE id = %(id)s
