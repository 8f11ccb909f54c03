-- name: {index.id}: blanks in {columns}
select area_code, '{column}' from {index.table} where {column} is null
