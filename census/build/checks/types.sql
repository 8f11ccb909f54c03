-- name: values of another type than their column's
select '{table.name}', {key} from {table.name} where {wrong}
