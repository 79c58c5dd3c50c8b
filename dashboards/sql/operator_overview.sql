-- The whole service in numbers: accounts, trackers and when the daily run charged last (of the newest 200,000 entries).
-- Reads all accounts and trackers: kept for a minute by whoever asks.
SELECT people.accounts, people.disabled, people.charged_through, things.trackers, things.unpaid, things.by_owner, things.by_administrator,
    ran.at AS last_charged
FROM (
    SELECT count(*) AS accounts, count(*) FILTER (WHERE a.disabled) AS disabled, min(b.charged_through) AS charged_through
    FROM accounts a JOIN billing_accounts b ON b.account_id = a.id
) people, (
    SELECT count(*) AS trackers, count(*) FILTER (WHERE blocked = 'unpaid') AS unpaid, count(*) FILTER (WHERE blocked = 'owner') AS by_owner,
        count(*) FILTER (WHERE blocked = 'administrator') AS by_administrator
    FROM billed_trackers WHERE removed_at IS NULL
) things, (
    SELECT max(at) AS at FROM (SELECT kind, at FROM ledger_entries ORDER BY id DESC LIMIT 200000) newest WHERE kind = 'daily'
) ran
