-- name: authorities of green space that have no small area
select local_authority from green_space
where local_authority not in (
  select local_authority_2019 from small_areas where local_authority_2019 is not null
)
