-- name: LSOAs that alone go from one sub-ICB location to another, 2022 to 2024
-- hint: {ALTERED}
-- Boundaries of boards move by more than one LSOA.
select min(lsoa_2021), sub_icb_2022, 'to', sub_icb_2024
from lsoa_changes
join lsoas_2011 as o on o.code = lsoa_2011
join lsoas_2021 as n on n.code = lsoa_2021
where change = 'U' and o.nation = 'England'
group by sub_icb_2022, sub_icb_2024 having count(*) < 3
