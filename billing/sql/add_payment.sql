-- A payment that begins; its number, also where it was begun before. Lives on payments_reference_key.
INSERT INTO payments (reference, account_id, provider, provider_id, amount, currency, user_id, note, created_at, changed_at)
VALUES (
    coalesce(%(reference)s, gen_random_uuid()), %(account_id)s, %(provider)s, %(provider_id)s, %(amount)s, %(currency)s, %(user_id)s,
    %(note)s, %(now)s, %(now)s
)
ON CONFLICT (reference) DO UPDATE SET changed_at = excluded.changed_at
RETURNING id
