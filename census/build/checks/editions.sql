-- name: {older.nation}: unchanged areas whose rank moved by more than {percent} % of the range
-- hint: {ALTERED}
select lsoa_2021, o.imd_rank, 'in {older.year},', n.imd_rank, 'in {newer.year}'
from lsoa_changes
join {older.table} as o on o.area_code = lsoa_2011
join {newer.table} as n on n.area_code = lsoa_2021
where change = 'U' and abs(1.0 * o.imd_rank / {older.areas} - 1.0 * n.imd_rank / {newer.areas}) > {most}
