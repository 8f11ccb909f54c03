-- name: names of districts of Northern Ireland that differ between tables
-- hint: {ALTERED}
select s.code, local_government_district_2014
from soas_2001 as s join local_authorities as l on l.code = s.local_authority_2019
where l.name <> local_government_district_2014
