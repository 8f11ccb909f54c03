"""Views of census.db: what several canned queries read.

Each is read by key (`where postcode = …`), never from end to end. Their sentences are written out as SQL, so that the
views work in any SQLite shell.
"""

import inspect

from census.domain.geographies import GEOGRAPHIES, Geography
from census.lookup.messages import as_sql
from census.schema.deprivation import DEPRIVATION


def _month(column: str) -> str:
    """Return SQL for a month (yyyymm) as people read it: 2019-04."""
    return f"substr({column}, 1, 4) || '-' || substr({column}, 5)"


_RETIRED = as_sql("retired", "postcode", _month("terminated"))


def _by_geography(expression: str) -> str:
    """Return SQL for an expression that depends on the geography of an index, of which `parent` has the areas."""
    whens = (
        f"when '{geography.name}' then {expression.format(geography=geography.name, parent=geography.parent)}"
        for geography in GEOGRAPHIES
    )
    return f"case indices.geography {' '.join(whens)} end"


def _areas_of(geography: Geography) -> str:
    """Return the part of the view `index_areas` with the areas of a geography."""
    [other] = (other.name for other in GEOGRAPHIES if other is not geography)
    return (
        inspect.cleandoc(f"""
        select
          '{geography.name}' as geography,
          code,
          nation,
          name,
          publisher_name,
          local_authority,
          {geography.authority_then} as local_authority_then,
          (
            select group_concat({other}, ', ')
            from (select {other} from lsoa_changes where {geography.name} = {geography.parent}.code order by {other})
          ) as other_areas
        from {geography.parent}
    """)
        + "\n"
    )


_FIGURES = [column for column in DEPRIVATION.columns if column not in ("lsoa_2011", "lsoa_2021")]

VIEWS = {
    "edition_notes": f"""
        select
          coalesce(directory || coalesce(' (' || edition.small_areas || ')', ''), 'no postcode directory')
            || '; census.db ' || substr(digest, 1, 16)
            || case when scope = 'extract' then ' (extract)' else '' end as edition,
          case
            when directory is null then {as_sql("no_directory", "''")}
            when scope = 'extract' then {as_sql("not_in_extract", "''", "directory", "authorities")}
            else {as_sql("not_in_directory", "''", "directory")}
          end as not_in_directory,
          case
            when directory is null then {as_sql("no_directory", "''")}
            else {as_sql("not_in_directory", "''", "directory")}
          end || ' ' || {as_sql("pseudo_postcode")} as pseudo_postcode,
          {as_sql("look_alike", "''")} as looks_alike,
          left_out,
          publications.licence as postcode_licence,
          publications.conditions as postcode_conditions,
          publications.attribution as postcode_attribution
        from edition
        left join publications on publications.id = 'postcode_directory'
    """,
    "postcode_places": f"""
        with placed as (
          select
            postcodes.postcode,
            postcodes.terminated,
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
            {_month("postcode_areas.small_areas_of")} as small_areas_of
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
                when covered then coalesce({_RETIRED} || ' ', '')
                when nation in ('Jersey', 'Guernsey', 'Isle of Man') then
                  {as_sql("island", "postcode", "replace(nation, 'Isle', 'the Isle')")}
                else {as_sql("no_small_area", "postcode", "directory", "postcode_area", "small_areas_of")}
              end
              || coalesce(iif(covered, null, ' ' || {as_sql("retired_too", _month("terminated"))}), '')
              || iif(
                left_out is not null and covered
                and (coalesce(area_name, lsoa_2021_name) is null or local_authority_name is null),
                {as_sql("name_missing", "left_out")},
                ''
              )
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
    "postcode_indices": f"""
        with placed as (
          select
            postcodes.postcode,
            indices.id as index_id,
            indices.year,
            indices.geography,
            indices.title,
            indices.loaded,
            {_by_geography("postcodes.{geography}")} as area_code
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
            when not placed.loaded then {as_sql("left_out", "placed.title")}
            when placed.area_code is null then
              {as_sql("no_lsoa", "placed.postcode", "substr(placed.geography, -4)", "'the ' || placed.title")}
            else {as_sql("no_figures", "placed.title", "placed.area_code")}
          end as without
        from placed
        left join deprivation
          on deprivation.index_id = placed.index_id and deprivation.area_code = placed.area_code
    """,
    "postcode_figures": f"""
        select
          postcodes.postcode,
          case when postcodes.terminated is null then 'found' else 'terminated' end as status,
          {_RETIRED} as message,
          postcodes.terminated,
          indices.nation,
          {_by_geography("coalesce({parent}.name, {parent}.publisher_name)")} as area_name,
          {_by_geography("{parent}.publisher_name")} as area_publisher_name,
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
          and deprivation.area_code = {_by_geography("postcodes.{geography}")}
        left join local_authorities
          on local_authorities.code
          = coalesce(postcodes.local_authority, small_areas.local_authority, lsoas_2021.local_authority)
        left join imd_uk_composite as composite on composite.area_code = postcodes.lsoa_2011
    """,
    "index_areas": "union all\n".join(map(_areas_of, GEOGRAPHIES)),
}
"""Name to the SQL of its select."""

KEYS = {
    "edition_notes": ("edition",),
    "postcode_places": ("postcode",),
    "postcode_indices": ("postcode", "index_id"),
    "postcode_figures": ("postcode", "index_id"),
    "index_areas": ("code", "geography"),
}
"""Name to the columns by which each of its rows is another one."""


def view_sql(name: str) -> str:
    """Return the statement that makes the view `name`."""
    return f"CREATE VIEW {name} AS\n{inspect.cleandoc(VIEWS[name])}"
