-- name: names and authorities that differ between tables
-- hint: {ALTERED}
select code, 'in {table} and small_areas'
from {table} join small_areas using (code)
where {table}.name is not small_areas.name
or {table}.local_authority_2019 is not small_areas.local_authority_2019
or {table}.local_authority is not small_areas.local_authority
