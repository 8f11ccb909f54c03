-- name: natural_green_space_inequalities: areas that are not LSOAs of England
select area_code from natural_green_space_inequalities where area_code not glob 'E01*'
