"""Views of census.db: what several canned queries say alike, said once.

Each is read by key (`where postcode = …`), never from end to end.
"""

import inspect

from census.schema.deprivation import DEPRIVATION

# What to say of a postcode that is no longer in use, as SQL.
RETIRED = """postcode || ' was retired in ' || substr(terminated, 1, 4) || '-' || substr(terminated, 5)
                  || '; any figures are those of the area it lay in.'"""

_FIGURES = [column for column in DEPRIVATION.columns if column not in ("lsoa_2011", "lsoa_2021")]

VIEWS = {
    "edition_notes": """
        select
          coalesce(directory || coalesce(' (' || small_areas || ')', ''), 'no postcode directory')
            || '; census.db ' || substr(digest, 1, 16)
            || case when scope = 'extract' then ' (extract)' else '' end as edition,
          case
            when directory is null then
              ' cannot be looked up: this database was built without the ONS Postcode Directory.'
            when scope = 'extract' then
              ' is not in this database, which is an extract of the ' || directory || ': it has the postcodes of '
              || authorities || ' only.'
            else ' is not in the ' || directory || '.'
          end as not_in_directory,
          case
            when directory is null then
              ' cannot be looked up: this database was built without the ONS Postcode Directory.'
            else ' is not in the ' || directory || '.'
          end || ' ZZ99 postcodes are NHS pseudo-postcodes (no fixed abode, abroad, not known), not places.'
            as pseudo_postcode,
          ' looks alike and is known here: was that meant?' as looks_alike,
          left_out
        from edition
    """,
    "postcode_places": f"""
        with placed as (
          select
            postcodes.postcode,
            postcodes.terminated,
            substr(postcodes.terminated, 1, 4) || '-' || substr(postcodes.terminated, 5) as retired_in,
            small_areas.code as area_code,
            coalesce(small_areas.name, small_areas.publisher_name) as area_name,
            small_areas.publisher_name as area_publisher_name,
            local_authorities.code as local_authority_code,
            local_authorities.name as local_authority_name,
            small_areas.local_authority_2019 as local_authority_2019_code,
            before.name as local_authority_2019_name,
            lsoas_2021.code as lsoa_2021,
            coalesce(lsoas_2021.name, lsoas_2021.publisher_name) as lsoa_2021_name,
            lsoas_2021.publisher_name as lsoa_2021_publisher_name,
            -- Islands have no authority and no area: their postcode areas say which they are.
            coalesce(
              small_areas.nation,
              lsoas_2021.nation,
              local_authorities.nation,
              case
                when postcodes.postcode glob 'JE[0-9]*' then 'Jersey'
                when postcodes.postcode glob 'GY[0-9]*' then 'Guernsey'
                when postcodes.postcode glob 'IM[0-9]*' then 'Isle of Man'
              end
            ) as nation,
            -- A new postcode may have an LSOA of 2021 alone, where that was made of several of 2011.
            coalesce(small_areas.code, lsoas_2021.code) is not null as covered,
            edition.directory,
            edition.left_out,
            postcode_areas.postcode_area,
            substr(postcode_areas.small_areas_of, 1, 4) || '-' || substr(postcode_areas.small_areas_of, 5)
              as small_areas_of
          from postcodes
          cross join edition
          left join postcode_areas
            on postcode_areas.postcode_area = rtrim(substr(postcodes.postcode, 1, 2), '0123456789')
          left join small_areas on small_areas.code = postcodes.lsoa_2011
          left join lsoas_2021 on lsoas_2021.code = postcodes.lsoa_2021
          left join local_authorities
            on local_authorities.code
            = coalesce(postcodes.local_authority, small_areas.local_authority, lsoas_2021.local_authority)
          left join local_authorities as before on before.code = small_areas.local_authority_2019
        )
        select
          postcode,
          case
            when not covered then 'not_covered'
            when terminated is not null then 'terminated'
            else 'found'
          end as status,
          nullif(
            trim(
              case
                when covered and terminated is not null then
                  {RETIRED} || ' '
                when covered then ''
                when nation in ('Jersey', 'Guernsey', 'Isle of Man') then
                  postcode || ' is in ' || replace(nation, 'Isle', 'the Isle')
                  || ', which no index of deprivation covers, nor the figures of green space.'
                else
                  postcode || ' is a real postcode, but the ' || directory || ', as it was loaded here, gives it no'
                  || ' small area' || coalesce(
                    ' (the newest postcode with one in ' || postcode_area || ' is of ' || small_areas_of || ')', ''
                  ) || ', so it has no index and no figures of green space.'
              end
              || case
                when not covered and terminated is not null then ' It was retired in ' || retired_in || '.'
                else ''
              end
              || case
                when left_out is not null and covered
                and (coalesce(area_name, lsoa_2021_name) is null or local_authority_name is null) then
                  'A name is missing: ' || left_out || ' was left out of this database.'
                else ''
              end
            ),
            ''
          ) as message,
          terminated,
          nation,
          area_code,
          area_name,
          area_publisher_name,
          local_authority_code,
          local_authority_name,
          local_authority_2019_code,
          local_authority_2019_name,
          lsoa_2021,
          lsoa_2021_name,
          lsoa_2021_publisher_name
        from placed
    """,
    "postcode_indices": """
        with placed as (
          select
            postcodes.postcode,
            indices.id as index_id,
            indices.year,
            indices.geography,
            indices.title,
            indices.loaded,
            case indices.geography when 'lsoa_2021' then postcodes.lsoa_2021 else postcodes.lsoa_2011 end as area_code
          from postcodes
          left join small_areas on small_areas.code = postcodes.lsoa_2011
          left join lsoas_2021 on small_areas.code is null and lsoas_2021.code = postcodes.lsoa_2021
          cross join indices on indices.nation = coalesce(small_areas.nation, lsoas_2021.nation)
        )
        select
          placed.postcode,
          placed.index_id,
          placed.year,
          placed.geography,
          placed.area_code,
          deprivation.rank,
          case
            when deprivation.rank is not null then null
            when not placed.loaded then placed.title || ' was left out of this database.'
            when placed.area_code is null then
              'The directory, as it was loaded here, does not give ' || placed.postcode || ' an LSOA of '
              || substr(placed.geography, -4)
              || ', so it has no figures of the ' || placed.title || '.'
            else 'There are no figures of the ' || placed.title || ' for ' || placed.area_code || '.'
          end as without
        from placed
        left join deprivation
          on deprivation.index_id = placed.index_id and deprivation.area_code = placed.area_code
    """,
    "postcode_figures": f"""
        select
          postcodes.postcode,
          case when postcodes.terminated is null then 'found' else 'terminated' end as status,
          case when postcodes.terminated is not null then
            {RETIRED}
          end as message,
          postcodes.terminated,
          indices.nation,
          case indices.geography
            when 'lsoa_2021' then coalesce(lsoas_2021.name, lsoas_2021.publisher_name)
            else coalesce(small_areas.name, small_areas.publisher_name)
          end as area_name,
          case indices.geography
            when 'lsoa_2021' then lsoas_2021.publisher_name
            else small_areas.publisher_name
          end as area_publisher_name,
          local_authorities.code as local_authority_code,
          local_authorities.name as local_authority_name,
          small_areas.local_authority_2019 as local_authority_2019_code,
          indices.year,
          {", ".join(f'deprivation."{column}"' for column in _FIGURES)},
          composite.uk_imd_e_rank as uk_composite_rank,
          composite.uk_imd_e_pop_decile as uk_composite_decile,
          small_areas.code as lsoa_2011,
          lsoas_2021.code as lsoa_2021,
          postcodes.latitude,
          postcodes.longitude
        from postcodes
        left join small_areas on small_areas.code = postcodes.lsoa_2011
        left join lsoas_2021 on lsoas_2021.code = postcodes.lsoa_2021
        cross join indices on indices.nation = coalesce(small_areas.nation, lsoas_2021.nation)
        cross join deprivation
          on deprivation.index_id = indices.id
          and deprivation.area_code = case indices.geography
            when 'lsoa_2021' then postcodes.lsoa_2021
            else postcodes.lsoa_2011
          end
        left join local_authorities
          on local_authorities.code
          = coalesce(postcodes.local_authority, small_areas.local_authority, lsoas_2021.local_authority)
        left join imd_uk_composite as composite on composite.area_code = postcodes.lsoa_2011
    """,
}
"""Name to the SQL of its select."""

KEYS = {
    "edition_notes": ("edition",),
    "postcode_places": ("postcode",),
    "postcode_indices": ("postcode", "index_id"),
    "postcode_figures": ("postcode", "index_id"),
}
"""Name to the columns by which each of its rows is another one."""


def view_sql(name: str) -> str:
    """Return the statement that makes the view `name`."""
    return f"CREATE VIEW {name} AS\n{inspect.cleandoc(VIEWS[name])}"
