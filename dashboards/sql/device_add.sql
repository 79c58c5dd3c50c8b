-- The new device.
INSERT INTO devices (account_id, unique_id, name, phone, model, contact, category, disabled, attributes)
VALUES (%(account_id)s, %(unique_id)s, %(name)s, %(phone)s, %(model)s, %(contact)s, %(category)s, %(disabled)s, %(attributes)s)
RETURNING id, account_id, unique_id, name, phone, model, contact, category, disabled, attributes
