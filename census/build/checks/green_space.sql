-- name: green_space: totals, shares and averages that are not those of the counts
-- hint: {ALTERED}
select local_authority from green_space
where houses_address_count + flats_address_count <> total_address_count
or houses_addresses_with_private_outdoor_space_count + flats_addresses_with_private_outdoor_space_count
  <> total_addresses_with_private_outdoor_space_count
or abs(
  houses_private_outdoor_space_total_area_m2 + flats_private_outdoor_space_total_area_m2
  - total_private_outdoor_space_total_area_m2
) > 0.001 * total_private_outdoor_space_total_area_m2
or abs(
  houses_addresses_with_private_outdoor_space_share
  - 1.0 * houses_addresses_with_private_outdoor_space_count / houses_address_count
) > 0.0055
or abs(
  flats_addresses_with_private_outdoor_space_share
  - 1.0 * flats_addresses_with_private_outdoor_space_count / flats_address_count
) > 0.0055
or abs(
  total_addresses_with_private_outdoor_space_share
  - 1.0 * total_addresses_with_private_outdoor_space_count / total_address_count
) > 0.0055
or abs(
  houses_private_outdoor_space_total_area_m2 / houses_addresses_with_private_outdoor_space_count
  - houses_average_private_outdoor_space_m2
) > 0.055
or abs(
  flats_private_outdoor_space_total_area_m2 / flats_private_outdoor_space_count
  - flats_average_private_outdoor_space_m2
) > 0.055
or abs(
  total_private_outdoor_space_total_area_m2
  / (houses_addresses_with_private_outdoor_space_count + flats_private_outdoor_space_count)
  - total_average_private_outdoor_space_m2
) > 0.055
or abs(
  1.0 * flats_addresses_with_private_outdoor_space_count / flats_private_outdoor_space_count
  - flats_average_flats_sharing_a_garden
) > 0.055
