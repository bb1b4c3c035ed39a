# The table of types and its forms without a driver, by a module of the tests' own (t/types).
package DbsyncTest::TypeForms;

use strict;
use warnings;

use DbsyncTest::Module qw(build_module);
use Exporter 'import';

our @EXPORT_OK = qw(types_functions);

# The functions of t/types in databases of a node, in schema types_test.  The module is built where it lies.
sub types_functions
{
	my ($node, @databases) = @_;
	my $c = "LANGUAGE c AS '@{[ build_module('types') ]}'";
	$node->safe_psql($_, <<"SQL") foreach @databases;
CREATE SCHEMA types_test;
CREATE FUNCTION types_test.written(value "any", dialect text, typmod int DEFAULT -1, "precision" int DEFAULT NULL,
	scale int DEFAULT NULL, length int DEFAULT NULL, depth int DEFAULT NULL) RETURNS bytea $c, 'types_written';
CREATE FUNCTION types_test.resolved(rel regclass, dialect text, key text[] DEFAULT '{}')
	RETURNS TABLE (name text, declaration text, "precision" int, scale int, length int) STRICT $c, 'types_resolved';
CREATE FUNCTION types_test.fit(type regtype, typmod int, dialect text, there text, "precision" int DEFAULT -1, scale int DEFAULT -1, length int DEFAULT -1)
	RETURNS text STRICT $c, 'types_fit';
-- the bytes of a value, in hexadecimal; or the error
CREATE FUNCTION types_test.tried(expression text, dialect text, more text DEFAULT '') RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT encode(types_test.written(%s, %L%s), ''hex'')', expression, dialect, more) INTO result;
	RETURN coalesce(result, 'null');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END \$\$;
-- eight bytes as send functions order them
CREATE FUNCTION types_test.sent(value bytea) RETURNS bytea LANGUAGE sql AS \$\$
	SELECT CASE WHEN get_byte(types_test.written(1::int8, 'sqlite'), 0) = 0 THEN value
		ELSE decode(string_agg(substr(encode(value, 'hex'), 2 * i - 1, 2), '' ORDER BY i DESC), 'hex') END
	FROM generate_series(1, 8) i
\$\$;
SQL
	return;
}

1;
