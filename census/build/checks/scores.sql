-- name: {index.id}: scores that rise with the rank or differ within a tie ({columns} columns), blank ones
-- hint: A score or its rank is another area's or another column's.
select area_code, '{column}', score
from (
  select
    area_code,
    {column} as score,
    min({column}) over (order by {rank} groups between unbounded preceding and 1 preceding) as before,
    max({column}) over (partition by {rank}) as tied
  from {index.table}
)
where score > before or score < tied
