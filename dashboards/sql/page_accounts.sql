-- All accounts, for an administrator to choose from; by name.
SELECT id, name FROM accounts ORDER BY name, id
