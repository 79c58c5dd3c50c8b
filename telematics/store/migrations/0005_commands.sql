-- What trackers are told, and what they say to it; what of an account goes out by MQTT.

-- Commands that people keep for later, as Traccar has them; a rule may send one.
CREATE TABLE saved_commands (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    description text NOT NULL CHECK (description <> '' AND length(description) <= 128),
    type text NOT NULL, -- Traccar's
    parameters jsonb NOT NULL DEFAULT '{}',
    sms boolean NOT NULL DEFAULT false, -- sent as a text message
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX saved_commands_account ON saved_commands (account_id, id);

CREATE TABLE commands (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id int NOT NULL REFERENCES accounts ON DELETE CASCADE,
    device_id int NOT NULL REFERENCES devices ON DELETE CASCADE,
    user_id int REFERENCES users ON DELETE SET NULL,
    rule_id int REFERENCES rules ON DELETE SET NULL, -- the rule that sent it; neither user nor rule: somebody who is gone
    saved_id int REFERENCES saved_commands ON DELETE SET NULL,
    type text NOT NULL, -- Traccar's
    parameters jsonb NOT NULL DEFAULT '{}',
    sms boolean NOT NULL DEFAULT false,
    when_slow boolean NOT NULL DEFAULT false, -- not before the vehicle stands or is slow
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'answered', 'failed', 'expired', 'withdrawn')),
    awaits boolean NOT NULL DEFAULT true, -- the tracker answers; sent and not awaited: done
    reason text, -- why it waits, failed or was withdrawn, in a reader's words
    answer text, -- the tracker's own words
    tries int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    sent_at timestamptz, -- the last time
    answered_at timestamptz
);
CREATE INDEX commands_waiting ON commands (device_id, id) WHERE state = 'queued' OR (state = 'sent' AND awaits);
CREATE INDEX commands_expiring ON commands (expires_at) WHERE state = 'queued' OR (state = 'sent' AND awaits);
CREATE INDEX commands_account ON commands (account_id, id);
CREATE INDEX commands_device ON commands (device_id, id);
CREATE INDEX commands_user ON commands (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX commands_rule ON commands (rule_id) WHERE rule_id IS NOT NULL;
CREATE INDEX commands_saved ON commands (saved_id) WHERE saved_id IS NOT NULL;

CREATE TRIGGER commands_changed AFTER INSERT OR DELETE ON commands
    FOR EACH ROW EXECUTE FUNCTION notify_changed('commands', 'id');
CREATE TRIGGER commands_became AFTER UPDATE ON commands FOR EACH ROW
    WHEN (old.state <> 'queued' OR new.state <> 'queued') -- why it waits is told by whoever knows
    EXECUTE FUNCTION notify_changed('commands', 'id');

-- Who is given a device is not given what its last owner wanted it to do.
CREATE FUNCTION withdraw_commands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE commands SET state = 'withdrawn', reason = 'moved'
    WHERE device_id = new.id AND (state = 'queued' OR (state = 'sent' AND awaits));
    RETURN NULL;
END $$;
CREATE TRIGGER devices_given_away AFTER UPDATE OF account_id ON devices FOR EACH ROW
    WHEN (old.account_id <> new.account_id) EXECUTE FUNCTION withdraw_commands();

ALTER TABLE users
    ADD COLUMN commands text NOT NULL DEFAULT 'all' CHECK (commands IN ('all', 'saved', 'none')); -- which ones they may send

ALTER TABLE rules
    ADD COLUMN command_id int REFERENCES saved_commands ON DELETE SET NULL; -- sent to the device that an alert is about
CREATE INDEX rules_command ON rules (command_id) WHERE command_id IS NOT NULL;

-- What of an account others may read from the broker.
ALTER TABLE accounts
    ADD COLUMN mqtt_publish boolean NOT NULL DEFAULT false, -- positions, events and states
    ADD COLUMN mqtt_discovery boolean NOT NULL DEFAULT false; -- and Home Assistant is told of the devices
