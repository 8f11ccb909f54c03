-- name: integrated care boards without their NHS region, authorities of Wales without their health board
-- hint: A lookup does not fit the others' year.
select icb_2022 from lsoas_2011
where exists (select * from nhs_regions_2021) and icb_2022 not in (select icb_2022 from nhs_regions_2021)
union
select icb_2024 from lsoas_2021
where exists (select * from nhs_regions_2021) and icb_2024 not in (select icb_2024 from nhs_regions_2021)
union
select local_authority_2019 from lsoas_2011
where nation = 'Wales' and exists (select * from health_boards_2022)
and local_authority_2019 not in (select local_authority from health_boards_2022)
