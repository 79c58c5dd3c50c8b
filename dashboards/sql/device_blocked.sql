-- Why a device doesn't work. Primary key.
SELECT blocked FROM devices WHERE id = %(id)s
