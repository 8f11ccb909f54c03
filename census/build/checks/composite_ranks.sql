-- name: imd_uk_composite: ranks that are not the mean place of their score
select area_code, uk_imd_e_rank
from (
  select
    area_code,
    uk_imd_e_rank,
    rank() over by_score + (count(*) over (partition by uk_imd_e_score) - 1) / 2.0 as place
  from imd_uk_composite
  window by_score as (order by uk_imd_e_score desc)
)
where uk_imd_e_rank <> place
