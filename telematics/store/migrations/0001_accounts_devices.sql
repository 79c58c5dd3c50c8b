-- Accounts, people, devices and what is known of them now. `positions` and `events` are made by store/edition.py, since their
-- shape depends on the edition of the database.

CREATE TABLE accounts (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    time_zone text NOT NULL DEFAULT 'UTC',
    language text NOT NULL DEFAULT 'en',
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    email text NOT NULL CHECK (email = lower(email)),
    name text NOT NULL,
    password_hash text NOT NULL,
    administrator boolean NOT NULL DEFAULT false, -- of the provider: sees every account
    readonly boolean NOT NULL DEFAULT false,
    disabled boolean NOT NULL DEFAULT false,
    language text,
    attributes jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (email)
);
CREATE INDEX users_account ON users (account_id);

CREATE TABLE sessions (
    hash bytea PRIMARY KEY, -- SHA-256 of the cookie's secret
    user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    address text,
    user_agent text
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE tokens (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE, -- SHA-256 of the token
    user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE devices (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    unique_id text NOT NULL UNIQUE CHECK (unique_id <> '' AND length(unique_id) <= 128),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 128),
    phone text,
    model text,
    contact text,
    category text,
    disabled boolean NOT NULL DEFAULT false, -- by its owner: what it sends is refused
    attributes jsonb NOT NULL DEFAULT '{}', -- speedLimit (km/h) among them
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX devices_account ON devices (account_id, id);

-- The pipeline keeps all devices in memory and listens for their changes.
CREATE FUNCTION notify_device() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('devices', coalesce(new.id, old.id)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER devices_changed AFTER INSERT OR UPDATE OR DELETE ON devices FOR EACH ROW EXECUTE FUNCTION notify_device();

-- The state of each device as the stages left it: a snapshot, brought up to date from the positions stored since.
CREATE TABLE device_state (
    device_id int PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    heard timestamptz,
    time timestamptz,
    position_id bigint,
    received timestamptz,
    fix_time timestamptz,
    latitude float8,
    longitude float8,
    altitude_m real,
    speed_kmh real,
    course_deg real,
    accuracy_m real,
    valid boolean,
    satellites real,
    ignition real,
    motion real,
    power_v real,
    battery_v real,
    battery_percent real,
    odometer_m float8,
    engine_hours_s float8,
    fuel_l real,
    gsm real,
    alarms bigint,
    protocol smallint,
    moving smallint,
    candidate_time timestamptz,
    overspeed smallint,
    status smallint,
    jumps smallint,
    jump_latitude float8,
    jump_longitude float8,
    jump_time timestamptz,
    attributes jsonb
) WITH (fillfactor = 60); -- each row is rewritten every few seconds: room on its page spares the index

CREATE TABLE snapshot (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    position_id bigint NOT NULL -- every position up to this id is in device_state
);
INSERT INTO snapshot (position_id) VALUES (0);

-- The mark of the batch that was committed last: after a connection is lost at its commit, this tells whether it went through.
CREATE TABLE last_batch (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    mark uuid
) WITH (fillfactor = 10);
INSERT INTO last_batch (mark) VALUES (NULL);

CREATE SEQUENCE position_ids AS bigint INCREMENT 100000 START 100000; -- a block of ids a call: (n - 100000, n]

-- Distance and fixes of each UTC day: a device's odometer is the sum of its days.
CREATE TABLE device_days (
    device_id int NOT NULL REFERENCES devices ON DELETE CASCADE,
    day date NOT NULL,
    distance_m float8 NOT NULL DEFAULT 0,
    fixes int NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, day)
);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received timestamptz NOT NULL,
    protocol text NOT NULL,
    address text NOT NULL,
    device_id int, -- no reference: the letter outlives the device
    unique_id text,
    reason text NOT NULL,
    kind text NOT NULL,
    context int NOT NULL,
    frame bytea NOT NULL,
    retried timestamptz
);
CREATE INDEX dead_letters_received ON dead_letters (received);

CREATE TABLE unknown_trackers (
    protocol text NOT NULL,
    unique_id text NOT NULL,
    address text NOT NULL,
    first_heard timestamptz NOT NULL,
    last_heard timestamptz NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (protocol, unique_id)
);
CREATE INDEX unknown_trackers_last_heard ON unknown_trackers (last_heard);

-- What is to be told to somebody, written in the transaction of the event itself.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    device_id int NOT NULL,
    event_time timestamptz NOT NULL,
    event_type text NOT NULL,
    event_subject text NOT NULL,
    UNIQUE (device_id, event_time, event_type, event_subject)
);
