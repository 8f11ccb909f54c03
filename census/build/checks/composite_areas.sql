-- name: imd_uk_composite: areas without it, and the reverse
select code from small_areas where code not in (select area_code from imd_uk_composite)
union all
select area_code from imd_uk_composite where area_code not in (select code from small_areas)
