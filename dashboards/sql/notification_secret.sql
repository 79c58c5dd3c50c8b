-- What a rule's calls are signed with. Primary key of rules.
SELECT webhook_secret FROM rules WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
