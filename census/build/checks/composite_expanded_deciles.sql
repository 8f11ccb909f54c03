-- name: imd_uk_composite: figures that are not those of the four indices
-- hint: {ALTERED}
select area_code, 'e_expanded_decile'
from (
  select
    *,
    max(e_expanded_decile) over (
      order by uk_imd_e_score desc groups between unbounded preceding and 1 preceding
    ) as before
  from imd_uk_composite
)
where e_expanded_decile < before or e_expanded_decile not between 1 and 10
