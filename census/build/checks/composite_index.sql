-- name: imd_uk_composite: figures that are not those of {index.id}
-- hint: {ALTERED}
select area_code, 'not as {index.id}'
from (select *, {score} as local, {decile} as decile from {index.table}) as original
join imd_uk_composite as composite using (area_code)
where abs(composite.overall_local_score - local) > 1e-6
or abs(composite.original_decile - decile) > {near}{rates}
