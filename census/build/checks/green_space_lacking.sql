-- name: authorities of Great Britain (2019) without green space{reverse}
select distinct local_authority_2019 from small_areas
where nation <> 'Northern Ireland' and local_authority_2019 not in (select local_authority from green_space)
