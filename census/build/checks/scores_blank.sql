-- name: {index.id}: blank scores
select area_code, '{index.score}', 'blank' from {index.table} where {index.score} is null
