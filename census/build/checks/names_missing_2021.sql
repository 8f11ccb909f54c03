-- name: LSOAs of 2021 without a name or a 2024 authority
select code from lsoas_2021 where name is null or local_authority_2024 is null
