-- Keeps bytes that could not be read. Returns nothing.
INSERT INTO dead_letters (received, protocol, address, device_id, unique_id, reason, kind, context, frame)
SELECT *
FROM unnest(
    %(received)s::timestamptz[], %(protocol)s::text[], %(address)s::text[], %(device_id)s::int[], %(unique_id)s::text[],
    %(reason)s::text[], %(kind)s::text[], %(context)s::int[], %(frame)s::bytea[]
)
