-- Where a payment is paid. Lives on the primary key.
UPDATE payments SET page_url = %(page_url)s, attributes = attributes || %(attributes)s, changed_at = %(now)s WHERE id = %(id)s
