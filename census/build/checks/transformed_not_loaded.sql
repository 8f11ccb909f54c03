-- name: {index.id}: transformed scores, which were not loaded
select area_code, '{column}' from {index.table} where {column} is not null
