INSERT INTO users (account_id, email, name, password_hash, administrator, readonly, disabled, language, attributes, phone,
                   time_zone, quiet_hours, commands)
VALUES (%(account_id)s, %(email)s, %(name)s, %(password_hash)s, %(administrator)s, %(readonly)s, %(disabled)s, %(language)s,
        %(attributes)s, %(phone)s, %(time_zone)s, %(quiet_hours)s, %(commands)s)
RETURNING id, account_id, email, name, administrator, readonly, disabled, language, attributes,
          phone, time_zone, quiet_hours, commands
