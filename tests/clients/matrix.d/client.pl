# Perl's DBD::mysql: client.pl [server], with prepares on the server

use strict;
use warnings;
use utf8;
use DBI;

my ($host, $port, $user, $password, $database) =
  map { $ENV{"MATRIX_$_"} } qw(HOST PORT USER PASSWORD DATABASE);
my $text = "Zürich 🚀 'quoted' \\ \"x\"\n\t%_";
my $binary = join '', map { chr } 0 .. 255;
my $rows = 100_000;
my $server = @ARGV ? 1 : 0;
my $dbh;

sub connection {
    my ($with) = @_;
    my $dsn = "DBI:mysql:database=$database;host=$host;port=$port;mysql_server_prepare=$server";
    return DBI->connect($dsn, $user, $with, { RaiseError => 1, PrintError => 0, AutoCommit => 1, mysql_enable_utf8mb4 => 1 });
}

sub same {
    my ($got, $expected) = @_;
    my $show = sub { join '|', map { $_ // 'NULL' } @{ $_[0] } };
    die 'got ' . $show->($got) . ', expected ' . $show->($expected) . "\n" if $show->($got) ne $show->($expected);
}

sub fails {
    my ($number, $work) = @_;
    eval { $work->(); 1 } and die "$number did not happen\n";
    same([$DBI::err], [$number]);
}

my @cases = (
    connect => sub {
        fails(1045, sub { connection('wrong') });
        $dbh = connection($password);
        same([$dbh->selectrow_array('SELECT DATABASE()')], [$database]);
    },
    ddl => sub {
        $dbh->do('CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), half DOUBLE,
            label VARCHAR(100), raw VARBINARY(300), day DATE, moment DATETIME(6), span TIME, flag TINYINT(1), nothing INT)');
        my $keys = join ',', $dbh->primary_key(undef, $database, 'kinds');
        same([$keys], ['id']);
        my $columns = $dbh->column_info(undef, $database, 'kinds', '%')->fetchall_arrayref({});
        same([scalar @$columns, $columns->[4]{COLUMN_NAME}], [11, 'label']);
    },
    types => sub {
        my @row = (1, '18446744073709551615', '-12345678901234.567891', 0.1, $text, $binary, '2024-02-29',
            '2024-02-29 23:59:58.123456', '-26:03:04', 1, undef);
        my $insert = $dbh->prepare('INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?,?)');
        $insert->bind_param($_ + 1, $row[$_], $_ == 5 ? DBI::SQL_BINARY() : ()) for 0 .. $#row;
        $insert->execute;
        same([$dbh->selectrow_array('SELECT * FROM kinds WHERE id = ?', undef, 1)], \@row);
    },
    batch => sub {
        $dbh->do('CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))');
        $dbh->begin_work;
        my $insert = $dbh->prepare('INSERT INTO batch VALUES (?, ?)');
        $insert->execute($_, "é$_") for 0 .. 999;
        $dbh->commit;
        same([$dbh->selectrow_array('SELECT COUNT(*), MAX(label) FROM batch')], [1000, 'é999']);
    },
    prepared => sub {
        my $select = $dbh->prepare('SELECT label FROM batch WHERE id = ?');
        for my $id (3, 4) {
            $select->execute($id);
            same([$select->fetchrow_array], ["é$id"]);
            $select->finish;
        }
    },
    transaction => sub {
        $dbh->begin_work;
        $dbh->do('DELETE FROM batch');
        $dbh->rollback;
        $dbh->begin_work;
        $dbh->do('DELETE FROM batch WHERE id < 10');
        $dbh->commit;
        same([$dbh->selectrow_array('SELECT COUNT(*) FROM batch')], [990]);
    },
    errors => sub {
        fails(1062, sub { $dbh->do("INSERT INTO batch VALUES (500, 'x')") });
        fails(1146, sub { $dbh->do('SELECT * FROM missing') });
        fails(1064, sub { $dbh->do('SELEC 1') });
        same([$dbh->ping ? 1 : 0], [1]);
    },
    large => sub {
        $dbh->do('CREATE TABLE numbers (id INT PRIMARY KEY, label VARCHAR(40))');
        $dbh->do('INSERT INTO numbers VALUES ' . join ',', map { "($_,'row $_')" } 0 .. 999);
        for (my $step = 1000; $step < $rows; $step *= 2) {
            my $limit = $rows - $step;
            $dbh->do("INSERT INTO numbers SELECT id + $step, label FROM numbers WHERE id < $limit");
        }
        # Rows prepared on the server do not stream in this driver: it waits for ever.
        my $select = $dbh->prepare('SELECT id FROM numbers', { mysql_use_result => !$server });
        $select->execute;
        my $sum = 0;
        while (my ($id) = $select->fetchrow_array) { $sum += $id }
        same([$sum], [$rows * ($rows - 1) / 2]);
    },
);

binmode STDOUT, ':utf8';
$| = 1;
print "version $DBD::mysql::VERSION\n" if eval { require DBD::mysql; 1 };
my $failed = 0;
while (my ($name, $work) = splice @cases, 0, 2) {
    if (eval { $work->(); 1 }) {
        print "pass $name\n";
        next;
    }
    $failed = 1;
    (my $why = $@) =~ s/\s+/ /g;
    print "fail $name: ", substr($why, 0, 400), "\n";
}
exit $failed;
