-- How many saved commands the viewer may see. saved_commands (account_id, id).
SELECT count(*) FROM saved_commands WHERE %(everything)s OR account_id = %(account_id)s
