-- name: small areas without a name or a 2019 authority
select code from small_areas where name is null or local_authority_2019 is null
