-- name: wards, zones, middle layer areas and boards that lie in two of what they lie in
-- hint: {ALTERED}
select min(code), '{outer}', group_concat(distinct {outer})
from {table}
where {inner} is not null
group by {inner}, substr(code, 1, 1) having count(distinct {outer}) > 1
