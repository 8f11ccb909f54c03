-- name: {index.id}: domain scores that do not follow from the rank ({columns} columns)
-- hint: {ALTERED}
select area_code, '{column}', score
from (select area_code, {column} as score, {most} as most, {least} as least from {index.table})
where score > most + {tolerance} or score < least - {tolerance}
