-- The changed device; no row when it isn't the viewer's. Primary key.
UPDATE devices
SET account_id = %(new_account_id)s, unique_id = %(unique_id)s, name = %(name)s, phone = %(phone)s, model = %(model)s,
    contact = %(contact)s, category = %(category)s, disabled = %(disabled)s, attributes = %(attributes)s
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
RETURNING id, account_id, unique_id, name, phone, model, contact, category, disabled, attributes
