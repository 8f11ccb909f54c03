-- name: names of local authorities that differ between tables
-- hint: {ALTERED}
select {table}.code, 'local_authority_name'
from {table} left join local_authorities as l on l.code = {table}.local_authority
where local_authority_name is not l.name
