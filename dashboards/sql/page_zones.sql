-- Names of the zones that the viewer may see, for the filter of the feed, by name. Lives on zones (account_id, id).
SELECT id, name FROM zones WHERE (%(everything)s OR account_id = %(account_id)s) ORDER BY name, id LIMIT %(limit)s
