-- name: {index.id}: overall scores and ranks that are not those of the weighted domains ({columns})
-- hint: {ALTERED}
with weighted as (
  select area_code, imd_rank, {score} as score, {most} as most, {least} as least from {index.table}
)
select area_code, 'score', score, 'from its domains', round(most, {index.decimals})
from weighted
where score > most + {tolerance} or score < least - {tolerance}
union all
select area_code, 'rank', imd_rank, 'against its domains', round(least, 3)
from (
  select *, min(most) over (order by imd_rank groups between unbounded preceding and 1 preceding) as before
  from weighted
)
where least > before + {index.slack}
