-- name: imd_uk_composite: {part} scores that do not follow the rank in {index.id}
-- hint: {ALTERED}
select area_code, '{part}_score against the rank in {index.id}'
from (
  select
    composite.area_code,
    composite.{part}_score as score,
    min(composite.{part}_score) over (
      order by original.{part}_rank groups between unbounded preceding and 1 preceding
    ) as before
  from imd_uk_composite as composite
  join {index.table} as original using (area_code)
)
where score > before
