-- name: {index.id}: published bands that are not {rule} ({columns} columns)
-- hint: A changed cell, or a publisher's new rule: compare with the publication.
select area_code || ' {column} ' || coalesce({column}, 'null') || ', by the rule ' || ({band})
from {index.table}
where {condition} and {column} is not {band}
