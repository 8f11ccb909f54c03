-- name: {index.id}: areas without the index, and the reverse
select code from {parent}
where nation = '{index.nation}' and {kind} and code not in (select area_code from {index.table})
union all
select area_code from {index.table} left join {parent} on code = area_code
where code is null or nation <> '{index.nation}'
