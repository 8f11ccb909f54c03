-- name: {index.id}: transformed scores that are blank, not within 0 to 100, or rise with the rank ({columns} columns)
select area_code, '{column}', score
from (
  select
    area_code,
    {column} as score,
    min({column}) over (order by {rank} groups between unbounded preceding and 1 preceding) as before
  from {index.table}
)
where score is null or score > before or score not between 0 and 100
