-- name: small areas without a postcode
-- hint: The directory may be cut short.
select code from small_areas
where code not in (select lsoa_2011 from postcodes where lsoa_2011 is not null)
