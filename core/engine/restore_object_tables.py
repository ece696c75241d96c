"""A restore's tables, where items become objects of a bucket."""

from collections.abc import Iterable, Iterator

from core.catalog.workspace import quote
from core.engine.faults import CSV
from core.engine.restore_tables import RestoreTables


class ObjectTables(RestoreTables):
    """What a restore of objects asks beyond what each restore does."""

    def file_totals(self) -> tuple[int, int]:
        """Return the number and the content bytes of the files to restore."""
        count, size = self._workspace.row(
            "select count(*), coalesce(sum(size), 0)::BIGINT from targets where kind = 'file'"
        )
        return int(count), int(size)

    def taken(self, keys: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the paths of files that are among these names."""
        path = self._workspace.new_path("taken", ".csv")
        with path.open("w") as file:
            file.writelines(f"x{key.hex()}\n" for key in keys)
        rows = self._rows(
            f"""select path from chosen semi join (select unhex(key[2:]) as path from read_csv(
            {quote(path)}, {CSV}, columns={{'key': 'VARCHAR'}})) using (path)
            where kind = 'file' order by path"""
        )
        for (found,) in rows:
            yield found

    def no_objects(self) -> Iterator[bytes]:
        """Yield the paths of what is chosen and no object can stand for: links, empty folders."""
        parents = "select distinct regexp_extract(hex(path), '^((?:..)*)2F', 1) as name from chosen"
        rows = self._rows(
            f"""select path from chosen anti join ({parents}) on name = hex(path)
            where not is_way and kind <> 'file' order by path"""
        )
        for (path,) in rows:
            yield path
