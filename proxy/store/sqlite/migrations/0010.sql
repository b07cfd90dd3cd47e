-- The slug without regard to case, as an expression that other databases have too.
DROP INDEX environments_slug;
CREATE UNIQUE INDEX environments_slug ON environments (lower(slug))
    WHERE state IN ('active', 'inactive');
