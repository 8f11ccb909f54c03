-- name: populations that do not add up
-- hint: {ALTERED}
select code, 'mid-2015' from lsoas_2011
where total_population_mid_2015
  <> dependent_children_mid_2015 + population_16_59_mid_2015 + older_population_60_and_over_mid_2015
or working_age_population_mid_2015
  not between 0.5 * population_16_59_mid_2015 and 1.5 * population_16_59_mid_2015
union all
select code, 'mid-2022' from lsoas_2021
where total_population_mid_2022 < dependent_children_mid_2022 + older_population_60_and_over_mid_2022
or total_population_mid_2022 < working_age_population_mid_2022
union all
select code, 'data zone' from data_zones_2011
where working_age_population not between 0.1 * population and population
