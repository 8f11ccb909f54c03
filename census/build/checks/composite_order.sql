-- name: imd_uk_composite: scores, deciles and quintiles that do not follow the rank
select area_code, uk_imd_e_rank
from (
  select *, min(uk_imd_e_score) over lower_ranks as higher, max(uk_imd_e_pop_decile) over lower_ranks as decile
  from imd_uk_composite
  window lower_ranks as (order by uk_imd_e_rank groups between unbounded preceding and 1 preceding)
)
where uk_imd_e_score > higher
or uk_imd_e_pop_decile < decile
or uk_imd_e_pop_decile not between 1 and 10
or uk_imd_e_pop_quintile is not (uk_imd_e_pop_decile + 1) / 2
