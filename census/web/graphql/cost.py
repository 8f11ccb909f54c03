"""Count what a GraphQL query could cost, before it is validated: rows, lookups, and what it asks of the schema.

These are walks over the parsed document, and no validation rules of graphql-core: its visitor takes three to four times
as long, and its own rules, which it runs in the same pass, compare each two fields of a name with each other.
"""

from collections import Counter
from collections.abc import Mapping

from graphql import get_introspection_query, parse
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    VariableNode,
)

from census.domain.types import Record

MOST_ROWS = 1000  # what Datasette gives at once
LOOKUP = 20
MOST_SELECTIONS = 1000  # fields and fragments of a document
MOST_PAIRS = 50_000  # of fields of one name
MOST_STEPS = 2000  # of a walk through introspection
INSIDE_A_LIST = {"nodes", "edges", "node", "pageInfo", "totalCount"}
BEYOND_STANDARD = "introspection beyond the standard query is not answered"

Selecting = FieldNode | InlineFragmentNode | FragmentDefinitionNode | OperationDefinitionNode
Selection = FieldNode | FragmentSpreadNode | InlineFragmentNode
Fragments = Mapping[str, FragmentDefinitionNode]
Path = tuple[str, ...]


def selections(node: Selecting) -> tuple[Selection, ...]:
    """Return what a node selects: fields, and fragments of either kind."""
    return node.selection_set.selections if node.selection_set else ()  # type: ignore[return-value]


def cost(query: str, variables: Record, most: int) -> int:
    """Return what `query` could cost: each value 1, each lookup of a table 20, times the rows.

    Counting stops above `most`.
    """
    if not query.strip():
        return 0
    document = parse(query, no_location=True)
    check_repetition(document)
    fragments = fragments_of(document)
    total = 0
    introspected: set[str] = set()

    def count(node: Selecting, rows: int, inside: Path) -> None:
        nonlocal total
        for field in selections(node):
            if total > most:
                return
            if isinstance(field, FragmentSpreadNode):
                name = field.name.value
                total += 1
                if name in fragments and name not in inside:
                    count(fragments[name], rows, (*inside, name))
            elif isinstance(field, InlineFragmentNode):
                count(field, rows, inside)
            elif field.name.value.startswith("__"):
                total += rows
                check_introspection(field, fragments, introspected)
            elif not field.selection_set or field.name.value in INSIDE_A_LIST:
                total += rows
                count(field, rows, inside)
            else:
                total += LOOKUP * rows
                names = {f.name.value for f in field.selection_set.selections if isinstance(f, FieldNode)}
                is_list = names & INSIDE_A_LIST or len(names) < len(field.selection_set.selections)
                count(field, rows * (first(field, variables) if is_list else 1), inside)

    for operation in operations_of(document):
        count(operation, 1, ())
    return total


def check_repetition(document: DocumentNode) -> None:
    """Check that validating a document takes milliseconds. Raises ValueError.

    graphql-core compares each two fields of one name, and each two fragments, with each other.
    """
    named: Counter[str] = Counter()
    nodes: list[Selecting] = [d for d in document.definitions if isinstance(d, Selecting)]
    while nodes:
        node = nodes.pop()
        for selection in selections(node):
            if isinstance(selection, FieldNode):
                named[(selection.alias or selection.name).value] += 1
            else:
                named["..."] += 1
            if isinstance(selection, Selecting):
                nodes.append(selection)
    if sum(named.values()) > MOST_SELECTIONS or sum(times**2 for times in named.values()) > MOST_PAIRS:
        raise ValueError(f"it selects more than {MOST_SELECTIONS:,} fields, or one of them too often")


def first(field: FieldNode, variables: Record) -> int:
    """Return how many rows a field asks for. Raises ValueError for too many."""
    for argument in field.arguments:
        if argument.name.value == "first":
            value = argument.value
            number = variables.get(value.name.value) if isinstance(value, VariableNode) else None
            if isinstance(value, IntValueNode):
                number = int(value.value)
            if isinstance(number, int) and not 1 <= number <= MOST_ROWS:
                raise ValueError(f"first must be 1 to {MOST_ROWS:,}")
            return number if isinstance(number, int) else MOST_ROWS
    return 10  # datasette-graphql's own


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """Return the operations of a document. Raises ValueError where it defines a schema."""
    others = [d for d in document.definitions if not isinstance(d, FragmentDefinitionNode)]
    operations = [d for d in others if isinstance(d, OperationDefinitionNode)]
    if len(operations) < len(others):
        raise ValueError("it defines a schema and asks for nothing")
    return operations


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments of a document by name."""
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}


def check_introspection(field: FieldNode, fragments: Fragments, introspected: set[str]) -> None:
    """Check that a document asks no more of the schema than the standard query does. Raises ValueError.

    introspected: those of __schema and __type that it has before this one, which is added.
    """
    if field.name.value == "__typename":
        return
    if field.name.value in introspected:
        raise ValueError(f"{field.name.value} is answered once in a request")
    introspected.add(field.name.value)
    if field.selection_set and not introspection_paths(field, fragments) <= STANDARD:
        raise ValueError(BEYOND_STANDARD)


def introspection_paths(field: FieldNode, fragments: Fragments) -> set[Path]:
    """Return the paths of fields below `field` (__schema or __type).

    Raises ValueError for aliases and for far too many.

    Without aliases a repeated field is answered once, so a subset of the standard query costs no more.
    """
    paths: set[Path] = set()
    steps = 0

    def walk(node: Selecting, path: Path, inside: Path) -> None:
        nonlocal steps
        for selection in selections(node):
            steps += 1
            if steps > MOST_STEPS:
                raise ValueError(BEYOND_STANDARD)
            if isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name in fragments and name not in inside:
                    walk(fragments[name], path, (*inside, name))
            elif isinstance(selection, InlineFragmentNode):
                walk(selection, path, inside)
            elif selection.alias:
                raise ValueError("introspection with aliases is not answered")
            elif selection.name.value != "__typename":
                paths.add((*path, selection.name.value))
                walk(selection, (*path, selection.name.value), inside)

    walk(field, ("types",) if field.name.value == "__type" else (), ())
    return paths


def _standard() -> set[Path]:
    options = ("descriptions", "specified_by_url", "directive_is_repeatable", "schema_description")
    text = get_introspection_query(**dict.fromkeys((*options, "input_value_deprecation"), True))
    document = parse(text, no_location=True)
    fragments = fragments_of(document)
    [operation] = operations_of(document)
    [schema] = [field for field in operation.selection_set.selections if isinstance(field, FieldNode)]
    return introspection_paths(schema, fragments)


STANDARD = _standard()
