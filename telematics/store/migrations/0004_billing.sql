-- Money: tariffs, what is billed, a double-entry ledger that nothing changes, blocks, payments; who did what.

-- Tariffs. One is free; the others name a price in one currency. Amounts are whole minor units everywhere.
CREATE TABLE tariffs (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 128),
    description text NOT NULL DEFAULT '',
    currency char(3) CHECK (currency ~ '^[A-Z]{3}$'), -- NULL: the free one, which is on offer in all
    offered boolean NOT NULL DEFAULT true, -- customers may choose it
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX tariffs_free ON tariffs ((true)) WHERE currency IS NULL;

-- What a tariff costs and allows from a day on, until the next version's. NULL: without a limit.
CREATE TABLE tariff_versions (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tariff_id int NOT NULL REFERENCES tariffs,
    since date NOT NULL,
    price bigint NOT NULL CHECK (price >= 0), -- of a tracker in a month
    sms_price bigint NOT NULL DEFAULT 0 CHECK (sms_price >= 0),
    history_days int CHECK (history_days > 0),
    zones int CHECK (zones >= 0),
    proximities int CHECK (proximities >= 0),
    sms boolean NOT NULL DEFAULT true,
    reports boolean NOT NULL DEFAULT true,
    api boolean NOT NULL DEFAULT true, -- tokens and Basic authorization
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tariff_id, since)
);
INSERT INTO tariffs (name) VALUES ('Free');
INSERT INTO tariff_versions (tariff_id, since, price) SELECT id, '2000-01-01', 0 FROM tariffs;

-- What new accounts begin with.
CREATE TABLE billing_defaults (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    currency char(3) NOT NULL DEFAULT 'EUR' CHECK (currency ~ '^[A-Z]{3}$'),
    tariff_id int NOT NULL REFERENCES tariffs
);
INSERT INTO billing_defaults (tariff_id) SELECT id FROM tariffs;

-- An account's billing. It outlives the account, as the ledger does: no reference. Whoever moves money locks this row first.
CREATE TABLE billing_accounts (
    account_id int PRIMARY KEY,
    currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    tariff_id int NOT NULL REFERENCES tariffs,
    charged_through date -- every day up to it is charged; NULL: the first is still to come
);

-- Which tariff an account was on, and since when: each row ends with the next.
CREATE TABLE tariff_periods (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL,
    tariff_id int NOT NULL REFERENCES tariffs,
    since timestamptz NOT NULL,
    day date, -- of the account; NULL: its beginning
    counted boolean NOT NULL, -- chosen by the customer: one of two in a month
    user_id int
);
CREATE INDEX tariff_periods_account ON tariff_periods (account_id, since, id);

-- A tracker as it is billed, from its connection to its removal. It outlives the device.
CREATE TABLE billed_trackers (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id int NOT NULL,
    account_id int NOT NULL,
    unique_id text NOT NULL,
    name text NOT NULL,
    connected_at timestamptz NOT NULL DEFAULT now(), -- trackers are paid for in this order, then by id
    connection_due boolean NOT NULL DEFAULT true, -- its month is still to be paid, if the tariff costs anything
    covered_until date, -- the last day that its connection paid for
    test boolean NOT NULL DEFAULT false, -- costs nothing
    blocked text CHECK (blocked IN ('administrator', 'owner', 'unpaid')), -- the gravest of its open blocks
    removed_at timestamptz
);
CREATE UNIQUE INDEX billed_trackers_device ON billed_trackers (device_id) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX billed_trackers_test ON billed_trackers (account_id) WHERE test AND removed_at IS NULL;
CREATE INDEX billed_trackers_account ON billed_trackers (account_id, connected_at, id);
CREATE INDEX billed_trackers_blocked ON billed_trackers (account_id) WHERE blocked IS NOT NULL AND removed_at IS NULL;
CREATE INDEX billed_trackers_due ON billed_trackers (account_id) WHERE connection_due AND removed_at IS NULL AND blocked IS NULL;

-- Why a tracker doesn't work, or didn't; open while `until` is NULL.
CREATE TABLE blocks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tracker_id int NOT NULL REFERENCES billed_trackers,
    account_id int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('administrator', 'owner', 'unpaid')),
    unpaid text CHECK (unpaid IN ('connection', 'daily')), -- what couldn't be paid
    reason text NOT NULL DEFAULT '',
    day date NOT NULL,
    since timestamptz NOT NULL,
    user_id int,
    until timestamptz,
    ended_by int,
    CHECK ((kind = 'unpaid') = (unpaid IS NOT NULL))
);
CREATE UNIQUE INDEX blocks_open ON blocks (tracker_id, kind) WHERE until IS NULL;
CREATE INDEX blocks_account ON blocks (account_id, id);
CREATE INDEX blocks_tracker ON blocks (tracker_id, id);
CREATE INDEX blocks_administrators ON blocks (account_id) WHERE kind = 'administrator' AND until IS NULL;

ALTER TABLE devices ADD COLUMN blocked text; -- as in billed_trackers: what it sends is acknowledged and not kept

-- When that began and ended: what was sent between is missing, and the way over such a moment is nobody's.
CREATE TABLE device_breaks (
    device_id int, -- goes with its device by billing_device_changed: a reference costs more than the row
    at timestamptz,
    PRIMARY KEY (device_id, at)
);

-- The ledger. Who owes whom: of a customer the money at hand and what is set aside of it; of the provider the rest.
CREATE TABLE ledger_accounts (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int, -- the customer; NULL: the provider's own
    kind text NOT NULL CHECK (kind IN ('customer', 'sms', 'refund', 'clearing', 'revenue', 'bonus', 'loss')),
    name text NOT NULL DEFAULT '', -- of clearing: by which way money comes and goes
    currency char(3) NOT NULL,
    balance bigint NOT NULL DEFAULT 0, -- of customers' alone; the provider's are sums that nobody waits for
    CHECK ((account_id IS NOT NULL) = (kind IN ('customer', 'sms', 'refund'))),
    CONSTRAINT never_below_zero CHECK (balance >= 0)
);
CREATE UNIQUE INDEX ledger_accounts_customer ON ledger_accounts (account_id, kind) WHERE account_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_accounts_own ON ledger_accounts (kind, name, currency) WHERE account_id IS NULL;

CREATE TABLE ledger_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL,
    kind text NOT NULL CHECK (kind IN (
        'topup', 'bonus', 'connection', 'daily', 'sms', 'sms_settled', 'sms_returned', 'reversal', 'refund_requested',
        'refund_returned', 'refund', 'dispute', 'dispute_won'
    )),
    currency char(3) NOT NULL,
    amount bigint NOT NULL, -- by which the customer's money at hand changes
    day date NOT NULL, -- of the account
    at timestamptz NOT NULL DEFAULT now(),
    key text NOT NULL UNIQUE CHECK (length(key) <= 200), -- says what this is; the same thing can't happen twice
    reverses bigint REFERENCES ledger_entries,
    user_id int,
    memo text, -- an operator's reason
    attributes jsonb,
    CHECK ((kind = 'reversal') = (reverses IS NOT NULL)),
    CHECK (reverses < id)
);
CREATE INDEX ledger_entries_account ON ledger_entries (account_id, day, id);
CREATE INDEX ledger_entries_reverses ON ledger_entries (reverses) WHERE reverses IS NOT NULL;
CREATE INDEX ledger_entries_day ON ledger_entries (day, kind) INCLUDE (currency, amount); -- what was earned, by day

CREATE TABLE ledger_lines (
    entry_id bigint NOT NULL, -- whether it is there the triggers see to: a reference costs more than the line
    no int NOT NULL,
    ledger_id int NOT NULL,
    tracker_id int,
    version_id int, -- of the tariff
    day date NOT NULL,
    amount bigint NOT NULL,
    daily boolean NOT NULL DEFAULT false, -- the daily charge of tracker_id
    reverses_no int, -- this line of the entry that is reversed
    reverses_entry bigint,
    PRIMARY KEY (entry_id, no),
    CHECK ((reverses_no IS NULL) = (reverses_entry IS NULL)),
    CHECK (NOT daily OR (tracker_id IS NOT NULL AND version_id IS NOT NULL AND amount < 0))
);
CREATE UNIQUE INDEX ledger_lines_daily ON ledger_lines (day, tracker_id) WHERE daily; -- the day first: new ones stand together
CREATE UNIQUE INDEX ledger_lines_reversed ON ledger_lines (reverses_entry, reverses_no) WHERE reverses_entry IS NOT NULL;

-- What was charged was charged at a price: a version that entries may name stays as it is, and so does a tariff's currency.
CREATE FUNCTION tariff_version_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS ( -- none is as late as a version that hasn't begun
        SELECT FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id WHERE e.day >= old.since AND li.version_id = old.id
    ) THEN
        RAISE EXCEPTION 'this price was charged already: add another version' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN old;
    END IF;
    RETURN new;
END $$;
CREATE FUNCTION tariff_currency_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a tariff keeps its currency: add another tariff' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER tariff_versions_kept BEFORE DELETE ON tariff_versions FOR EACH ROW EXECUTE FUNCTION tariff_version_kept();
CREATE TRIGGER tariff_prices_kept BEFORE UPDATE OF id, tariff_id, since, price, sms_price ON tariff_versions FOR EACH ROW
    WHEN ((new.id, new.tariff_id, new.since, new.price, new.sms_price)
        IS DISTINCT FROM (old.id, old.tariff_id, old.since, old.price, old.sms_price)) EXECUTE FUNCTION tariff_version_kept();
CREATE TRIGGER tariff_currencies_kept BEFORE UPDATE OF currency ON tariffs FOR EACH ROW
    WHEN (new.currency IS DISTINCT FROM old.currency) EXECUTE FUNCTION tariff_currency_kept();

-- Nothing of the ledger is changed or removed, by whomever.
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is never changed: put a mistake right by a reversing entry' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_entries_kept BEFORE UPDATE OR DELETE ON ledger_entries FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_entries_whole BEFORE TRUNCATE ON ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_lines_kept BEFORE UPDATE OR DELETE ON ledger_lines FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_lines_whole BEFORE TRUNCATE ON ledger_lines FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_accounts_kept BEFORE DELETE ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_accounts_whole BEFORE TRUNCATE ON ledger_accounts FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

-- A ledger account begins at zero, and nothing but new lines moves it.
CREATE FUNCTION ledger_account_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND new.balance <> 0 OR TG_OP = 'UPDATE' AND (
        pg_trigger_depth() < 2 OR (new.id, new.account_id, new.kind, new.name, new.currency)
            IS DISTINCT FROM (old.id, old.account_id, old.kind, old.name, old.currency)
    ) THEN
        RAISE EXCEPTION 'a balance is what the lines add up to: write an entry' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER ledger_accounts_guard BEFORE INSERT OR UPDATE ON ledger_accounts
    FOR EACH ROW EXECUTE FUNCTION ledger_account_guard();

-- All lines of an entry are written by one statement, and add up to zero; they move the customers' balances.
CREATE FUNCTION ledger_post() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT added.entry_id INTO wrong
    FROM added LEFT JOIN ledger_entries e ON e.id = added.entry_id LEFT JOIN ledger_accounts l ON l.id = added.ledger_id
    GROUP BY added.entry_id
    HAVING sum(added.amount) <> 0 OR count(*) < 2 OR min(added.no) <> 1 -- the second of two statements has no first line left
        OR NOT coalesce(bool_and(
            e.currency = l.currency AND coalesce(l.account_id, e.account_id) = e.account_id AND added.day = e.day
            AND added.daily = (e.kind = 'daily' AND l.kind = 'customer')
            AND added.reverses_entry IS NOT DISTINCT FROM CASE WHEN l.kind = 'customer' THEN e.reverses END
        ), false)
        OR coalesce(sum(added.amount) FILTER (WHERE l.kind = 'customer'), 0) <> min(e.amount)
        OR min(e.reverses) IS NOT NULL AND NOT bool_or(l.kind = 'customer') -- nothing would tie it to what it reverses
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % is not balanced, or not whole', wrong USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT added.entry_id INTO wrong
    FROM added LEFT JOIN ledger_lines o ON o.entry_id = added.reverses_entry AND o.no = added.reverses_no
    WHERE added.reverses_entry IS NOT NULL AND (o.ledger_id, o.tracker_id, o.version_id, o.amount)
        IS DISTINCT FROM (added.ledger_id, added.tracker_id, added.version_id, -added.amount)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % is not the reverse of what it reverses', wrong USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE ledger_accounts l SET balance = l.balance + moved.amount
    FROM (SELECT ledger_id, sum(amount)::bigint AS amount FROM added GROUP BY ledger_id) moved
    WHERE l.id = moved.ledger_id AND l.account_id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_lines_post AFTER INSERT ON ledger_lines
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_post();

CREATE FUNCTION ledger_entry_has_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_lines WHERE entry_id = new.id) THEN
        RAISE EXCEPTION 'entry % has no lines', new.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entries_have_lines AFTER INSERT ON ledger_entries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_entry_has_lines();

-- Accounts and devices begin and end their billing by themselves, whoever adds or removes them.
CREATE FUNCTION billing_account_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO billing_accounts (account_id, currency, tariff_id) SELECT new.id, currency, tariff_id FROM billing_defaults;
    INSERT INTO tariff_periods (account_id, tariff_id, since, counted)
    SELECT new.id, tariff_id, '-infinity', false FROM billing_defaults;
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_billed AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION billing_account_added();

CREATE FUNCTION billing_account_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger_accounts WHERE account_id = old.id AND balance <> 0) THEN
        RAISE EXCEPTION 'the account has money' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'account_has_money';
    END IF;
    RETURN old;
END $$;
CREATE TRIGGER accounts_settled BEFORE DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION billing_account_removed();

CREATE FUNCTION billing_device_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    connected int;
BEGIN
    IF TG_OP = 'UPDATE' AND new.account_id = old.account_id THEN
        UPDATE billed_trackers SET name = new.name, unique_id = new.unique_id WHERE device_id = new.id AND removed_at IS NULL;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        UPDATE billed_trackers SET removed_at = now() WHERE device_id = old.id AND removed_at IS NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM device_breaks WHERE device_id = old.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO billed_trackers (device_id, account_id, unique_id, name) VALUES (new.id, new.account_id, new.unique_id, new.name)
        RETURNING id INTO connected;
        -- An administrator's block is not lifted by removing the tracker and adding it again.
        IF EXISTS (SELECT FROM blocks WHERE account_id = new.account_id AND kind = 'administrator' AND until IS NULL) THEN
            WITH before AS (
                UPDATE blocks b SET until = now() FROM billed_trackers t
                WHERE b.account_id = new.account_id AND b.kind = 'administrator' AND b.until IS NULL
                  AND t.id = b.tracker_id AND t.unique_id = new.unique_id AND t.removed_at IS NOT NULL
                RETURNING b.*
            )
            INSERT INTO blocks (tracker_id, account_id, kind, reason, day, since, user_id)
            SELECT connected, account_id, kind, reason, day, since, user_id FROM before ORDER BY id DESC LIMIT 1;
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER devices_billed AFTER INSERT OR DELETE OR UPDATE OF account_id, unique_id, name ON devices
    FOR EACH ROW EXECUTE FUNCTION billing_device_changed();

CREATE FUNCTION billing_device_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.account_id <> old.account_id THEN
        IF old.blocked IS NOT NULL THEN
            INSERT INTO device_breaks VALUES (old.id, clock_timestamp()) ON CONFLICT DO NOTHING;
        END IF;
        new.blocked := NULL; -- a block stays with the account it is of
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER devices_move BEFORE UPDATE OF account_id ON devices FOR EACH ROW EXECUTE FUNCTION billing_device_moves();

CREATE FUNCTION billing_device_renumbered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the provider has blocked the tracker %: its number stays', old.unique_id
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'blocked_number_stays';
END $$;
CREATE TRIGGER devices_renumbered BEFORE UPDATE OF unique_id ON devices FOR EACH ROW
    WHEN (old.blocked = 'administrator' AND new.unique_id <> old.unique_id) EXECUTE FUNCTION billing_device_renumbered();

INSERT INTO billing_accounts (account_id, currency, tariff_id) SELECT accounts.id, currency, tariff_id FROM accounts, billing_defaults;
INSERT INTO tariff_periods (account_id, tariff_id, since, counted)
SELECT accounts.id, tariff_id, '-infinity', false FROM accounts, billing_defaults;
INSERT INTO billed_trackers (device_id, account_id, unique_id, name, connected_at, connection_due)
SELECT id, account_id, unique_id, name, created_at, false FROM devices ORDER BY id;

-- What is known of a tracker's blocks is told to its row and to the device, and by that to every process.
-- Devices first, as whoever renames one does: two who went the other way round would wait for each other for good.
CREATE FUNCTION billing_blocks_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH gravest AS (
        SELECT touched.tracker_id, min(blocks.kind) AS kind -- administrator, owner, unpaid: in the order of the alphabet
        FROM (SELECT DISTINCT tracker_id FROM changed) touched
            LEFT JOIN blocks ON blocks.tracker_id = touched.tracker_id AND blocks.until IS NULL
        GROUP BY touched.tracker_id
    ), told AS (
        UPDATE devices d SET blocked = gravest.kind FROM billed_trackers t JOIN gravest ON gravest.tracker_id = t.id
        WHERE d.id = t.device_id AND d.account_id = t.account_id -- which may be moving away just now
          AND t.removed_at IS NULL AND d.blocked IS DISTINCT FROM gravest.kind
        RETURNING d.id
    )
    INSERT INTO device_breaks SELECT id, clock_timestamp() FROM told ON CONFLICT DO NOTHING;
    WITH gravest AS (
        SELECT touched.tracker_id, min(blocks.kind) AS kind
        FROM (SELECT DISTINCT tracker_id FROM changed) touched
            LEFT JOIN blocks ON blocks.tracker_id = touched.tracker_id AND blocks.until IS NULL
        GROUP BY touched.tracker_id
    )
    UPDATE billed_trackers t SET blocked = gravest.kind FROM gravest
    WHERE t.id = gravest.tracker_id AND t.blocked IS DISTINCT FROM gravest.kind;
    RETURN NULL;
END $$;
CREATE TRIGGER blocks_added AFTER INSERT ON blocks
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION billing_blocks_changed();
CREATE TRIGGER blocks_ended AFTER UPDATE ON blocks
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION billing_blocks_changed();

CREATE TRIGGER billing_accounts_changed AFTER UPDATE OF tariff_id, currency ON billing_accounts
    FOR EACH ROW EXECUTE FUNCTION notify_changed('billing_accounts', 'account_id');
CREATE TRIGGER accounts_added AFTER INSERT ON accounts
    FOR EACH ROW EXECUTE FUNCTION notify_changed('billing_accounts', 'id');
CREATE TRIGGER tariffs_changed AFTER UPDATE ON tariffs
    FOR EACH ROW EXECUTE FUNCTION notify_changed('tariffs', 'id');
CREATE TRIGGER tariff_versions_changed AFTER INSERT OR UPDATE OR DELETE ON tariff_versions
    FOR EACH ROW EXECUTE FUNCTION notify_changed('tariffs', 'tariff_id');
CREATE TRIGGER billed_trackers_added AFTER INSERT ON billed_trackers -- its connection is to be settled
    FOR EACH ROW EXECUTE FUNCTION notify_changed('billed_trackers', 'account_id');

-- Money that comes in by a provider's page, a bank or over the counter.
CREATE TABLE payments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE, -- what the provider calls our order
    account_id int NOT NULL,
    provider text NOT NULL, -- as in the settings; bank, cash or bonus
    provider_id text, -- the provider's own id of the transaction
    amount bigint NOT NULL CHECK (amount > 0),
    currency char(3) NOT NULL,
    state text NOT NULL DEFAULT 'created' CHECK (state IN (
        'created', 'pending', 'paid', 'failed', 'expired', 'mismatched', 'refunded', 'disputed', 'lost'
    )),
    reason text, -- why it failed: a word of billing/payments
    flagged text, -- why an operator must look at it
    received bigint, -- what the provider says, where it isn't the amount
    refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= amount),
    page_url text, -- where the customer pays
    entry_id bigint REFERENCES ledger_entries,
    user_id int,
    note text,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    paid_at timestamptz,
    attributes jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX payments_provider ON payments (provider, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX payments_account ON payments (account_id, id);
CREATE INDEX payments_flagged ON payments (id) WHERE flagged IS NOT NULL;
CREATE INDEX payments_open ON payments (changed_at) WHERE state IN ('created', 'pending');

-- Every word of a provider's, as it came and what became of it.
CREATE TABLE payment_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL,
    event_id text NOT NULL, -- the provider's
    payment_id bigint REFERENCES payments,
    kind text NOT NULL,
    body jsonb NOT NULL,
    outcome text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider, event_id)
);
CREATE INDEX payment_events_payment ON payment_events (payment_id, id);
CREATE INDEX payment_events_unknown ON payment_events (id) WHERE payment_id IS NULL;

-- Money that is asked back. It is set aside until an operator has decided.
CREATE TABLE refunds (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('balance', 'withdrawal')),
    amount bigint NOT NULL CHECK (amount > 0),
    currency char(3) NOT NULL,
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'paying', 'paid', 'rejected', 'cancelled')),
    comment text NOT NULL DEFAULT '', -- the customer's
    reason text, -- the operator's, when it is rejected
    user_id int,
    decided_by int,
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz
);
CREATE INDEX refunds_account ON refunds (account_id, id);
CREATE INDEX refunds_open ON refunds (id) WHERE state IN ('requested', 'paying');

-- By which payments it goes back, each by its own way.
CREATE TABLE refund_parts (
    refund_id bigint NOT NULL REFERENCES refunds,
    payment_id bigint NOT NULL REFERENCES payments,
    amount bigint NOT NULL CHECK (amount > 0),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'paid', 'failed')),
    provider_id text, -- of the refund
    reason text, -- why it failed, or what it waits for
    tries int NOT NULL DEFAULT 1,
    entry_id bigint REFERENCES ledger_entries,
    PRIMARY KEY (refund_id, payment_id)
);
CREATE INDEX refund_parts_payment ON refund_parts (payment_id);

-- Lines of bank statements: each is taken once.
CREATE TABLE bank_lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text NOT NULL UNIQUE, -- the bank's reference, or what tells the line from others
    day date NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    currency char(3) NOT NULL,
    payer text NOT NULL DEFAULT '',
    details text NOT NULL DEFAULT '',
    account_id int, -- whose it was found to be
    payment_id bigint REFERENCES payments,
    user_id int,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bank_lines_open ON bank_lines (id) WHERE payment_id IS NULL;

-- What an SMS costs while it is on its way, and after.
CREATE TABLE sms_charges (
    delivery_id bigint PRIMARY KEY, -- negative: a test message
    account_id int NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    state text NOT NULL CHECK (state IN ('reserved', 'settled', 'returned')),
    tries int NOT NULL DEFAULT 1, -- reservations
    parts int,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sms_charges_open ON sms_charges (changed_at) WHERE state = 'reserved';

-- Warnings that were given; a row goes when there is money again, so that the next time is told, too.
CREATE TABLE billing_warnings (
    account_id int NOT NULL,
    days int NOT NULL, -- left; 0: trackers were blocked
    told_at timestamptz NOT NULL DEFAULT now(),
    block_id bigint, -- of 0: blocks up to this one
    PRIMARY KEY (account_id, days)
);

-- Alerts that are about the account itself have no device.
ALTER TABLE alerts ALTER COLUMN device_id DROP NOT NULL;
CREATE UNIQUE INDEX alerts_of_account ON alerts (account_id, time, type, subject) WHERE device_id IS NULL;

-- Answers to requests that may be sent again under the same key.
CREATE TABLE idempotency_keys (
    user_id int NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL, -- SHA-256 of method, path and body
    status int NOT NULL,
    answer text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- Who did what, when and from where.
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    user_id int, -- NULL: the server itself
    user_name text NOT NULL DEFAULT '',
    account_id int, -- whose affair it is
    action text NOT NULL, -- such as tariff.changed
    subject text NOT NULL DEFAULT '', -- what it was done to
    details jsonb NOT NULL DEFAULT '{}',
    address text NOT NULL DEFAULT ''
);
CREATE INDEX audit_account ON audit (account_id, id);
CREATE INDEX audit_action ON audit (action, id);

-- What was done stays written.
CREATE FUNCTION past_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what happened stays written in %', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION past_refuse();
CREATE TRIGGER blocks_kept BEFORE DELETE ON blocks FOR EACH ROW EXECUTE FUNCTION past_refuse();
CREATE TRIGGER payments_kept BEFORE DELETE ON payments FOR EACH ROW EXECUTE FUNCTION past_refuse();
CREATE TRIGGER payment_events_kept BEFORE DELETE ON payment_events FOR EACH ROW EXECUTE FUNCTION past_refuse();
CREATE TRIGGER refunds_kept BEFORE DELETE ON refunds FOR EACH ROW EXECUTE FUNCTION past_refuse();
