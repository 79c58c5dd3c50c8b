-- Removes all but the newest dead letters. By their ids, which leave small gaps: so it keeps a few less, never more.
-- Lives on the primary key of dead_letters.
DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - %(keep)s::bigint
