-- The changed device; no row when it isn't the viewer's, or its group isn't its account's. Primary keys.
UPDATE devices
SET account_id = %(new_account_id)s, unique_id = %(unique_id)s, name = %(name)s, phone = %(phone)s, model = %(model)s,
    contact = %(contact)s, category = %(category)s, disabled = %(disabled)s, group_id = %(group_id)s, attributes = %(attributes)s
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
  AND (
      %(group_id)s::int IS NULL
      OR EXISTS (SELECT FROM groups WHERE groups.id = %(group_id)s AND groups.account_id = %(new_account_id)s)
  )
RETURNING id, account_id, unique_id, name, phone, model, contact, category, disabled, group_id, attributes
