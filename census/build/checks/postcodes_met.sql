-- name: postcodes whose {geography} does not meet its area and an index
with met as (
  select code from {parent}
  where nation not in ({nations}) or code in (select {geography} from deprivation)
)
select distinct {geography} from postcodes
where {geography} is not null and {geography} not in (select code from met)
