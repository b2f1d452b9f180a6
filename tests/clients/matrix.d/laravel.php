<?php
// Laravel's query builder, schema builder and Eloquent (Debian's php-illuminate-database).

declare(strict_types=1);

require __DIR__ . '/common.php';
require '/usr/share/php/Illuminate/Database/autoload.php';

use Illuminate\Database\Capsule\Manager as DB;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\QueryException;
use Illuminate\Database\Schema\Blueprint;

class Item extends Model
{
    protected $table = 'items';
    protected $guarded = [];
    protected $casts = ['flag' => 'boolean'];
}

$capsule = new DB();
$capsule->addConnection([
    'driver' => 'mysql', 'host' => $host, 'port' => $port, 'database' => $database, 'username' => $user,
    'password' => $password, 'charset' => 'utf8mb4', 'collation' => 'utf8mb4_unicode_ci', 'prefix' => '', 'strict' => true,
]);
$capsule->setAsGlobal();
$capsule->bootEloquent();
$fails = function (callable $work, int $expected): void {
    try {
        $work();
    } catch (QueryException $error) {
        same($error->errorInfo[1], $expected);
        return;
    }
    throw new RuntimeException("$expected did not happen");
};
$version = trim((string) shell_exec("dpkg-query -W -f '\${Version}' php-illuminate-database 2>/dev/null"));
run($version, [
    'connect' => fn () => same(DB::select('SELECT 1 AS a')[0]->a, 1),
    'ddl' => function () {
        DB::schema()->create('items', function (Blueprint $table) {
            $table->id();
            $table->string('label', 100)->unique();
            $table->decimal('money', 20, 6)->nullable();
            $table->binary('raw')->nullable();
            $table->date('day')->nullable();
            $table->boolean('flag')->default(false);
            $table->integer('n')->nullable()->index();
            $table->timestamps(6);
        });
        same(DB::schema()->hasTable('items') && !DB::schema()->hasTable('missing'), true);
        DB::schema()->table('items', fn (Blueprint $table) => $table->integer('extra')->nullable()->after('n'));
        same(DB::schema()->hasColumns('items', ['label', 'extra', 'created_at']), true);
        DB::schema()->table('items', fn (Blueprint $table) => $table->dropColumn('extra'));
    },
    'types' => function () use ($binary) {
        $item = Item::create(['label' => TEXT, 'money' => '-12345678901234.567891', 'raw' => $binary,
            'day' => '2024-02-29', 'flag' => true, 'n' => 7]);
        $found = Item::find($item->id);
        same([$found->label, $found->money, $found->raw, $found->day, $found->flag],
            [TEXT, '-12345678901234.567891', $binary, '2024-02-29', true]);
        same($found->created_at->diffInMinutes() < 2000, true);
    },
    'batch' => function () {
        DB::table('items')->insert(array_map(fn ($i) => ['label' => "item $i", 'n' => $i], range(0, 999)));
        same((int) DB::table('items')->sum('n'), 499507);
    },
    'prepared' => function () {
        same(DB::table('items')->whereIn('n', [3, 4])->orderBy('id')->pluck('label')->all(), ['item 3', 'item 4']);
        same(DB::table('items')->where('label', 'like', 'item 99%')->count(), 11);
        same(count(Item::query()->whereNotNull('n')->orderByDesc('n')->skip(5)->take(10)->get()), 10);
        $odd = DB::table('items')->selectRaw('n % 2 AS odd, COUNT(*) AS c')->groupBy('odd')->having('c', '>', 500)->get();
        same($odd->pluck('odd')->all(), [1]);
        $chunks = 0;
        DB::table('items')->orderBy('id')->chunk(300, function () use (&$chunks) { $chunks++; });
        same($chunks, 4);
    },
    'transaction' => function () {
        try {
            DB::connection()->transaction(function () {
                DB::table('items')->delete();
                throw new RuntimeException('back');
            });
        } catch (RuntimeException $error) {
            same($error->getMessage(), 'back');
        }
        DB::connection()->transaction(function () {
            DB::table('items')->where('n', 0)->delete();
            try {
                DB::connection()->transaction(function () {
                    DB::table('items')->where('n', 1)->delete();
                    throw new RuntimeException('inner');
                });
            } catch (RuntimeException) {
            }
        });
        same(DB::table('items')->count(), 1000);
    },
    'errors' => function () use ($fails) {
        $fails(fn () => Item::create(['label' => 'item 500']), 1062);
        $fails(fn () => DB::table('missing')->get(), 1146);
        DB::table('items')->upsert([['label' => 'item 500', 'n' => 5000]], ['label'], ['n']);
        same(DB::table('items')->where('label', 'item 500')->value('n'), 5000);
        same(DB::table('items')->insertOrIgnore(['label' => 'item 500']), 0);
    },
    'large' => function () {
        foreach (numbers_sql('numbers') as $sql) {
            DB::statement($sql);
        }
        $sum = 0;
        foreach (DB::table('numbers')->select('id')->cursor() as $row) {
            $sum += $row->id;
        }
        same($sum, SUM);
    },
]);
