-- What became of the money of an SMS. Primary key.
SELECT delivery_id, account_id, amount, state, tries FROM sms_charges WHERE delivery_id = %(delivery_id)s
