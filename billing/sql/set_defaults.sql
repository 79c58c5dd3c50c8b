-- What new accounts begin with. One row.
UPDATE billing_defaults SET currency = %(currency)s, tariff_id = %(tariff_id)s
