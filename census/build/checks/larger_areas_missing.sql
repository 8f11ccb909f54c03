-- name: areas without their ward, middle layer, integrated care board or health board
select code from lsoas_2011
where ward_2019 is null or msoa_2011 is null
or (nation = 'England' and (sub_icb_2022 is null or icb_2022 is null))
union all
select code from lsoas_2021
where nation = 'England' and (sub_icb_2024 is null or icb_2024 is null)
union all
select code from data_zones_2011
where ward is null or intermediate_zone is null or health_board is null or urban_rural_8fold is null
