-- What new accounts begin with. One row.
SELECT currency, tariff_id FROM billing_defaults
