-- name: {index.id}: published bands that do not rise with the rank ({columns} columns)
-- hint: A changed cell, or a publisher's new rule: compare with the publication.
select area_code, '{column}', band
from (
  select
    area_code,
    {column} as band,
    max({column}) over (order by imd_rank groups between unbounded preceding and 1 preceding) as before
  from {index.table}
)
where band < before or band not between 1 and {bands}
