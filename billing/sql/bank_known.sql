-- Which of these lines of statements were taken before. Lives on bank_lines' unique index.
SELECT fingerprint FROM bank_lines WHERE fingerprint = ANY(%(fingerprints)s)
