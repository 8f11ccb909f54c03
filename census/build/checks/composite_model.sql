-- name: imd_uk_composite: scores that are not those of its model
-- hint: {ALTERED}
select area_code, 'uk_imd_e_score'
from imd_uk_composite
where nation_code = '{nation}'
and abs(uk_imd_e_score - ({constant!r} + {employment!r} * employment_score + {overall!r} * overall_local_score)) > 1e-6
