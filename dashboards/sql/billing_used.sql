-- How much an account has of what tariffs limit. Lives on the indexes by account.
SELECT (SELECT count(*) FROM zones WHERE account_id = %(account_id)s)::int AS zones,
    (SELECT count(*) FROM proximities WHERE account_id = %(account_id)s)::int AS proximities
