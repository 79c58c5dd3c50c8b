-- The new device; no row when its group isn't the account's. Primary key of groups.
INSERT INTO devices (account_id, unique_id, name, phone, model, contact, category, disabled, group_id, attributes)
SELECT %(account_id)s, %(unique_id)s, %(name)s, %(phone)s, %(model)s, %(contact)s, %(category)s, %(disabled)s, %(group_id)s,
    %(attributes)s
WHERE %(group_id)s::int IS NULL OR EXISTS (SELECT FROM groups WHERE id = %(group_id)s AND account_id = %(account_id)s)
RETURNING id, account_id, unique_id, name, phone, model, contact, category, disabled, group_id, attributes, blocked
