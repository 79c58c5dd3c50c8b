-- Accounts that were connected a while ago and are charged up to a day, as billing would have left them: {accounts} fleets of {trackers}
-- trackers whose connections end on that day, one with {many} trackers and no money, one with {yearly} trackers and a year of days.
-- Without triggers, in one transaction; what the days of the year cost is in the temporary table `year` (day, share).
SET LOCAL session_replication_role = replica;
INSERT INTO tariffs (name, currency) VALUES ('Bench', 'EUR');
INSERT INTO tariff_versions (tariff_id, since, price) SELECT max(id), '2020-01-01', {price} FROM tariffs;

CREATE TEMP TABLE fleets ON COMMIT DROP AS
SELECT n AS account_id, CASE n WHEN {accounts} + 1 THEN {many} WHEN {accounts} + 2 THEN {yearly} ELSE {trackers} END AS trackers,
    date '{day}' - 30 - CASE n WHEN {accounts} + 2 THEN (SELECT count(*)::int FROM year) ELSE 0 END AS connected,
    CASE WHEN n > {accounts} THEN 0 WHEN n % 10 = 0 THEN {short} ELSE {enough} END AS kept
FROM generate_series(1, {accounts} + 2) n;

INSERT INTO accounts (id, name) OVERRIDING SYSTEM VALUE SELECT account_id, 'fleet ' || account_id FROM fleets;
INSERT INTO billing_accounts (account_id, currency, tariff_id, charged_through)
SELECT account_id, 'EUR', (SELECT max(id) FROM tariffs), '{day}' FROM fleets;
INSERT INTO tariff_periods (account_id, tariff_id, since, counted)
SELECT account_id, (SELECT max(id) FROM tariffs), '-infinity', false FROM fleets;
INSERT INTO devices (account_id, unique_id, name)
SELECT account_id, account_id || '-' || n, 'truck ' || n FROM fleets, generate_series(1, trackers) n ORDER BY account_id, n;
INSERT INTO billed_trackers (device_id, account_id, unique_id, name, connected_at, connection_due, covered_until)
SELECT d.id, d.account_id, d.unique_id, d.name, f.connected + time '08:00', false, f.connected + 30
FROM devices d JOIN fleets f ON f.account_id = d.account_id ORDER BY d.id;

INSERT INTO ledger_accounts (kind, name, currency) VALUES ('clearing', 'bank', 'EUR'), ('revenue', '', 'EUR');
INSERT INTO ledger_accounts (account_id, kind, currency, balance) SELECT account_id, 'customer', 'EUR', kept FROM fleets;
CREATE TEMP TABLE places ON COMMIT DROP AS
SELECT f.*, c.id AS customer_id, clearing.id AS clearing_id, revenue.id AS revenue_id, (SELECT max(id) FROM tariff_versions) AS version_id
FROM fleets f JOIN ledger_accounts c ON c.account_id = f.account_id
    JOIN ledger_accounts clearing ON clearing.kind = 'clearing' JOIN ledger_accounts revenue ON revenue.kind = 'revenue';

INSERT INTO ledger_entries (account_id, kind, currency, amount, day, at, key)
SELECT account_id, 'topup', 'EUR', kept + trackers * ({price} + CASE WHEN account_id = {accounts} + 2 THEN (SELECT sum(share) FROM year) ELSE 0 END),
    connected, connected + time '07:00', 'bench:topup:' || account_id
FROM fleets ORDER BY account_id;
INSERT INTO ledger_entries (account_id, kind, currency, amount, day, at, key)
SELECT account_id, 'connection', 'EUR', -trackers * {price}, connected, connected + time '08:00', 'bench:connection:' || account_id
FROM fleets ORDER BY account_id;
INSERT INTO ledger_entries (account_id, kind, currency, amount, day, at, key)
SELECT f.account_id, 'daily', 'EUR', -f.trackers * year.share, year.day, year.day + time '00:01', 'daily:' || f.account_id || ':' || year.day
FROM fleets f, year WHERE f.account_id = {accounts} + 2 ORDER BY year.day;

INSERT INTO ledger_lines (entry_id, no, ledger_id, day, amount)
SELECT e.id, side.no, CASE side.no WHEN 1 THEN p.customer_id ELSE p.clearing_id END, e.day, side.sign * e.amount
FROM ledger_entries e JOIN places p ON p.account_id = e.account_id CROSS JOIN (VALUES (1, 1), (2, -1)) AS side (no, sign)
WHERE e.kind = 'topup';
INSERT INTO ledger_lines (entry_id, no, ledger_id, tracker_id, version_id, day, amount, daily)
SELECT e.id, row_number() OVER (PARTITION BY e.id ORDER BY t.id), p.customer_id, t.id, p.version_id, e.day, e.amount / p.trackers,
    e.kind = 'daily'
FROM ledger_entries e JOIN places p ON p.account_id = e.account_id JOIN billed_trackers t ON t.account_id = e.account_id
WHERE e.kind <> 'topup' ORDER BY e.id, 2;
INSERT INTO ledger_lines (entry_id, no, ledger_id, day, amount)
SELECT e.id, p.trackers + 1, p.revenue_id, e.day, -e.amount
FROM ledger_entries e JOIN places p ON p.account_id = e.account_id WHERE e.kind <> 'topup';
