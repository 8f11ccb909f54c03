-- name: shares that are not within 0 to 1
-- hint: Are they percentages now?
select {key}, '{column}', {column} from {table} where {column} not between 0 and 1
