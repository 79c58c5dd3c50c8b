-- Primary key. A password that isn't given stays.
UPDATE users
SET account_id = %(account_id)s, email = %(email)s, name = %(name)s, administrator = %(administrator)s, readonly = %(readonly)s,
    disabled = %(disabled)s, language = %(language)s, attributes = %(attributes)s,
    phone = %(phone)s, time_zone = %(time_zone)s, quiet_hours = %(quiet_hours)s, commands = %(commands)s,
    password_hash = coalesce(%(password_hash)s, password_hash)
WHERE id = %(id)s
RETURNING id, account_id, email, name, administrator, readonly, disabled, language, attributes,
          phone, time_zone, quiet_hours, commands
