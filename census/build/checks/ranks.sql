-- name: {index.id}: ranks that are blank or not within 1 to {index.areas:,} ({columns} columns)
select area_code, '{column}', {column}
from {index.table}
where {column} is null or {column} not between 1 and {index.areas}
