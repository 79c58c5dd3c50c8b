-- Whether an account has or had money, or has asked to pay. Lives on ledger_accounts_customer, payments_account.
SELECT EXISTS (SELECT FROM ledger_accounts WHERE account_id = %(account_id)s)
    OR EXISTS (SELECT FROM payments WHERE account_id = %(account_id)s AND state IN ('created', 'pending', 'mismatched'))
