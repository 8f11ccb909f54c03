-- name: LSOAs that are in no change from 2011 to 2021, changes that are not of their kind
select code from lsoas_2011 where code not in (select lsoa_2011 from lsoa_changes)
union all
select code from lsoas_2021 where code not in (select lsoa_2021 from lsoa_changes)
union all
select lsoa_2011 from lsoa_changes where change in ('U', 'M') group by lsoa_2011 having count(*) > 1
union all
select lsoa_2021 from lsoa_changes where change in ('U', 'S') group by lsoa_2021 having count(*) > 1
