-- A new tariff; its number. No index needed.
INSERT INTO tariffs (name, description, currency) VALUES (%(name)s, %(description)s, %(currency)s) RETURNING id
