-- name: postcodes that end before they begin, or are dated after their directory
-- hint: A date was changed, or belongs to another postcode.
select postcode, introduced, terminated from postcodes
where terminated < introduced or introduced > {newest} or terminated > {newest}
