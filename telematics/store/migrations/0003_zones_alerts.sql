-- Groups, calendars, zones, proximities; rules, and what became of every alert.

CREATE TABLE groups (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 128),
    parent_id int REFERENCES groups ON DELETE SET NULL,
    attributes jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX groups_account ON groups (account_id, id);
CREATE INDEX groups_parent ON groups (parent_id);

ALTER TABLE devices ADD COLUMN group_id int REFERENCES groups ON DELETE SET NULL;
CREATE INDEX devices_group ON devices (group_id);

CREATE TABLE calendars (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 128),
    data text NOT NULL, -- iCalendar
    attributes jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX calendars_account ON calendars (account_id, id);

-- Zones: Traccar's geofences.
CREATE TABLE zones (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 128),
    description text,
    kind text NOT NULL CHECK (kind IN ('circle', 'polygon', 'corridor')),
    geometry jsonb NOT NULL, -- GeoJSON, longitude first: Point; Polygon or MultiPolygon; LineString
    radius_m float8 CHECK (radius_m > 0), -- of a circle
    width_m float8 CHECK (width_m > 0), -- of a corridor, from border to border
    outline bytea NOT NULL, -- WKB of the area on the ellipsoid, made from the above (telematics/zones/shapes.py)
    depth_m float8 NOT NULL, -- how far its middle is from its border
    color text,
    zone_group text NOT NULL DEFAULT '',
    all_devices boolean NOT NULL DEFAULT false, -- of the account; otherwise those in zone_targets
    enabled boolean NOT NULL DEFAULT true,
    hours jsonb, -- weekly windows, telematics/hours.py; NULL: always
    calendar_id int REFERENCES calendars,
    border_m float8 NOT NULL DEFAULT 15 CHECK (border_m >= 0), -- nearer to the border than this nothing is decided
    confirm_fixes int NOT NULL DEFAULT 2 CHECK (confirm_fixes >= 1), -- so many fixes beyond the border …
    confirm_s float8 NOT NULL DEFAULT 120 CHECK (confirm_s >= 0), -- … or one that nothing has contradicted for so long
    dwell_s float8 CHECK (dwell_s > 0), -- inside longer than this: geofenceDwell
    back_by time, -- not inside at this time of the account's day: geofenceAway
    speed_limit_kmh float8 CHECK (speed_limit_kmh > 0),
    passes boolean NOT NULL DEFAULT true, -- also tell of crossings between two fixes: geofencePass
    attributes jsonb NOT NULL DEFAULT '{}',
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX zones_account ON zones (account_id, id);
CREATE INDEX zones_calendar ON zones (calendar_id);

CREATE TABLE zone_targets (
    zone_id int NOT NULL REFERENCES zones ON DELETE CASCADE,
    device_id int REFERENCES devices ON DELETE CASCADE,
    group_id int REFERENCES groups ON DELETE CASCADE,
    CHECK (num_nonnulls(device_id, group_id) = 1)
);
CREATE UNIQUE INDEX zone_targets_device ON zone_targets (zone_id, device_id) WHERE device_id IS NOT NULL;
CREATE UNIQUE INDEX zone_targets_group ON zone_targets (zone_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX zone_targets_by_device ON zone_targets (device_id);
CREATE INDEX zone_targets_by_group ON zone_targets (group_id);

-- Which vehicles' nearness to each other, or to a place, is told.
CREATE TABLE proximities (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 128),
    enabled boolean NOT NULL DEFAULT true,
    device_id int REFERENCES devices ON DELETE CASCADE, -- who: a vehicle …
    group_id int REFERENCES groups ON DELETE CASCADE, -- … or any of a group
    to_device_id int REFERENCES devices ON DELETE CASCADE, -- to whom: a vehicle …
    to_group_id int REFERENCES groups ON DELETE CASCADE, -- … or any of a group …
    to_latitude float8, -- … or a place
    to_longitude float8,
    enter_m float8 NOT NULL CHECK (enter_m > 0),
    exit_m float8 NOT NULL,
    minutes float8 CHECK (minutes > 0), -- to a place: near when it would be there in so many minutes, or within enter_m
    min_s float8 NOT NULL DEFAULT 30 CHECK (min_s >= 0), -- smallest duration before it counts
    partner_age_s float8 NOT NULL DEFAULT 600 CHECK (partner_age_s > 0), -- an older place of either is not believed
    cooldown_s float8 NOT NULL DEFAULT 900 CHECK (cooldown_s >= 0), -- between two occasions of the same pair
    hours jsonb,
    calendar_id int REFERENCES calendars,
    attributes jsonb NOT NULL DEFAULT '{}',
    CHECK (exit_m >= enter_m),
    CHECK (num_nonnulls(device_id, group_id) = 1),
    CHECK (num_nonnulls(to_device_id, to_group_id, to_latitude) = 1 AND (to_latitude IS NULL) = (to_longitude IS NULL))
);
CREATE INDEX proximities_account ON proximities (account_id, id);

-- Pairs that are near now, or were lately. Written after their events are stored.
CREATE TABLE proximity_pairs (
    proximity_id int NOT NULL REFERENCES proximities ON DELETE CASCADE,
    device_id int NOT NULL,
    partner_id int NOT NULL, -- 0: the place
    near boolean NOT NULL,
    since timestamptz NOT NULL, -- of the last event
    PRIMARY KEY (proximity_id, device_id, partner_id)
);

-- Stretches of a device's past into which late positions came: its visits are worked out anew there. Written with the positions.
CREATE TABLE revisits (
    device_id int PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE device_state
    ADD COLUMN zoned_time timestamptz, -- the last fix that zones were asked of
    ADD COLUMN zoned_latitude float8,
    ADD COLUMN zoned_longitude float8,
    ADD COLUMN zones jsonb, -- what is remembered of each zone it is in, or on the border of
    ADD COLUMN idle_since timestamptz,
    ADD COLUMN idling smallint,
    ADD COLUMN fuel_reference_l real,
    ADD COLUMN fuel_checked timestamptz,
    ADD COLUMN fuel_checked_l real,
    ADD COLUMN power_lost smallint,
    ADD COLUMN battery_low smallint,
    ADD COLUMN inactive smallint;

ALTER TABLE users
    ADD COLUMN phone text,
    ADD COLUMN time_zone text, -- NULL: the account's
    ADD COLUMN quiet_hours jsonb; -- weekly windows in which nothing but urgent alerts is sent to them

-- Messengers of a user, as Apprise URLs: secrets, never shown again.
CREATE TABLE messengers (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 128),
    url text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messengers_user ON messengers (user_id);

-- Rules: Traccar's notifications.
CREATE TABLE rules (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT true,
    types text[] NOT NULL CHECK (cardinality(types) > 0), -- of events
    alarms text[] NOT NULL DEFAULT '{}', -- kinds of the type alarm; empty: all
    all_devices boolean NOT NULL DEFAULT true, -- of the account; otherwise those in rule_targets
    zone_groups text[] NOT NULL DEFAULT '{}', -- zones of these groups and those in rule_zones; none of either: all zones
    hours jsonb, -- NULL: always
    calendar_id int REFERENCES calendars,
    channels text[] NOT NULL DEFAULT '{web}',
    emails text[] NOT NULL DEFAULT '{}', -- of people without a login
    phones text[] NOT NULL DEFAULT '{}',
    webhook_url text,
    webhook_secret text,
    urgent boolean NOT NULL DEFAULT false, -- sent in quiet hours, too
    cooldown_s float8 NOT NULL DEFAULT 0 CHECK (cooldown_s >= 0), -- between two alerts of this rule about one device and subject
    attributes jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX rules_account ON rules (account_id, id);

-- As every new account has it: alarms such as SOS appear on everybody's page
INSERT INTO rules (account_id, name, types, urgent)
SELECT id, CASE language WHEN 'ru' THEN 'Тревоги' WHEN 'kk' THEN 'Дабылдар' ELSE 'Alarms' END, '{alarm}', true FROM accounts;

CREATE TABLE rule_targets (
    rule_id int NOT NULL REFERENCES rules ON DELETE CASCADE,
    device_id int REFERENCES devices ON DELETE CASCADE,
    group_id int REFERENCES groups ON DELETE CASCADE,
    CHECK (num_nonnulls(device_id, group_id) = 1)
);
CREATE UNIQUE INDEX rule_targets_device ON rule_targets (rule_id, device_id) WHERE device_id IS NOT NULL;
CREATE UNIQUE INDEX rule_targets_group ON rule_targets (rule_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX rule_targets_by_device ON rule_targets (device_id);
CREATE INDEX rule_targets_by_group ON rule_targets (group_id);

CREATE TABLE rule_zones (
    rule_id int NOT NULL REFERENCES rules ON DELETE CASCADE,
    zone_id int NOT NULL REFERENCES zones ON DELETE CASCADE,
    PRIMARY KEY (rule_id, zone_id)
);
CREATE INDEX rule_zones_by_zone ON rule_zones (zone_id);

CREATE TABLE rule_recipients (
    rule_id int NOT NULL REFERENCES rules ON DELETE CASCADE,
    user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (rule_id, user_id)
);
CREATE INDEX rule_recipients_by_user ON rule_recipients (user_id);

-- The feed: each event that a rule asked for, once.
CREATE TABLE alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    device_id int NOT NULL REFERENCES devices ON DELETE CASCADE,
    event_id bigint,
    time timestamptz NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(), -- when reports could first tell of it: how stale it is counts from here
    type text NOT NULL,
    subject text NOT NULL DEFAULT '',
    position_id bigint,
    latitude float8, -- where it was, as known when the alert was made: the feed outlives the positions
    longitude float8,
    speed_kmh float8,
    attributes jsonb NOT NULL DEFAULT '{}',
    rule_ids int[] NOT NULL DEFAULT '{}', -- that asked for it
    urgent boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    acknowledged_by int REFERENCES users ON DELETE SET NULL,
    UNIQUE (device_id, time, type, subject)
);
CREATE INDEX alerts_account ON alerts (account_id, id);
CREATE INDEX alerts_open ON alerts (account_id, id) WHERE acknowledged_at IS NULL;
CREATE INDEX alerts_created ON alerts (created_at);
CREATE INDEX alerts_event ON alerts (event_id);

CREATE TABLE alert_comments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
    user_id int REFERENCES users ON DELETE SET NULL,
    text text NOT NULL CHECK (text <> '' AND length(text) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alert_comments_alert ON alert_comments (alert_id);

-- Who was to be told of an alert, by what, and what became of it.
CREATE TABLE deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    rule_id int REFERENCES rules ON DELETE SET NULL,
    user_id int REFERENCES users ON DELETE SET NULL,
    channel text NOT NULL CHECK (channel IN ('web', 'mail', 'sms', 'messenger', 'webhook')),
    address text NOT NULL, -- e-mail, phone, messenger's number, webhook; of web the user's id
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'sent', 'bundled', 'skipped', 'failed')),
    reason text, -- why it waits, was skipped or failed, in a reader's words
    attempts int NOT NULL DEFAULT 0, -- begun
    uncertain boolean NOT NULL DEFAULT false, -- a try ended so that nobody knows whether it went out
    due_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz, -- while it is being sent
    sent_at timestamptz,
    parts int, -- of an SMS
    provider_id text, -- what the gateway calls it
    fallback_of bigint REFERENCES deliveries ON DELETE SET NULL, -- the SMS in whose place this e-mail goes
    bundled_in bigint REFERENCES deliveries ON DELETE SET NULL, -- the message that told of it with others
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (alert_id, channel, address)
);
CREATE INDEX deliveries_due ON deliveries (channel, due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_alike ON deliveries (channel, address, rule_id) WHERE state = 'waiting';
CREATE INDEX deliveries_leased ON deliveries (leased_until) WHERE state = 'sending';
CREATE INDEX deliveries_account ON deliveries (account_id, id);
CREATE INDEX deliveries_recent ON deliveries (channel, address, sent_at) WHERE state = 'sent';
CREATE INDEX deliveries_bundled ON deliveries (bundled_in) WHERE bundled_in IS NOT NULL;
CREATE INDEX deliveries_fallback ON deliveries (fallback_of) WHERE fallback_of IS NOT NULL;

-- The server keeps zones, rules and their like in memory and hears of every change, whoever makes it: "table:id".
CREATE FUNCTION notify_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb := to_jsonb(coalesce(new, old));
BEGIN
    PERFORM pg_notify('changes', TG_ARGV[0] || ':' || (changed ->> TG_ARGV[1]));
    RETURN NULL;
END $$;
CREATE TRIGGER zones_changed AFTER INSERT OR UPDATE OR DELETE ON zones
    FOR EACH ROW EXECUTE FUNCTION notify_changed('zones', 'id');
CREATE TRIGGER zone_targets_changed AFTER INSERT OR UPDATE OR DELETE ON zone_targets
    FOR EACH ROW EXECUTE FUNCTION notify_changed('zones', 'zone_id');
CREATE TRIGGER groups_changed AFTER INSERT OR UPDATE OR DELETE ON groups
    FOR EACH ROW EXECUTE FUNCTION notify_changed('groups', 'id');
CREATE TRIGGER calendars_changed AFTER INSERT OR UPDATE OR DELETE ON calendars
    FOR EACH ROW EXECUTE FUNCTION notify_changed('calendars', 'id');
CREATE TRIGGER accounts_changed AFTER UPDATE ON accounts
    FOR EACH ROW EXECUTE FUNCTION notify_changed('accounts', 'id');
CREATE TRIGGER proximities_changed AFTER INSERT OR UPDATE OR DELETE ON proximities
    FOR EACH ROW EXECUTE FUNCTION notify_changed('proximities', 'id');
CREATE TRIGGER rules_changed AFTER INSERT OR UPDATE OR DELETE ON rules
    FOR EACH ROW EXECUTE FUNCTION notify_changed('rules', 'id');
CREATE TRIGGER rule_targets_changed AFTER INSERT OR UPDATE OR DELETE ON rule_targets
    FOR EACH ROW EXECUTE FUNCTION notify_changed('rules', 'rule_id');
CREATE TRIGGER rule_zones_changed AFTER INSERT OR UPDATE OR DELETE ON rule_zones
    FOR EACH ROW EXECUTE FUNCTION notify_changed('rules', 'rule_id');
CREATE TRIGGER rule_recipients_changed AFTER INSERT OR UPDATE OR DELETE ON rule_recipients
    FOR EACH ROW EXECUTE FUNCTION notify_changed('rules', 'rule_id');
CREATE TRIGGER users_changed AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION notify_changed('users', 'id');
