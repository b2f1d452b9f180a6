# Ruby's mysql2.

require 'mysql2'
require 'bigdecimal'
require 'date'

SETTINGS = {
  host: ENV['MATRIX_HOST'], port: ENV['MATRIX_PORT'].to_i, username: ENV['MATRIX_USER'],
  password: ENV['MATRIX_PASSWORD'], database: ENV['MATRIX_DATABASE'], encoding: 'utf8mb4',
  database_timezone: :utc, application_timezone: :utc
}.freeze
TEXT = "Zürich 🚀 'quoted' \\ \"x\"\n\t%_".freeze
BINARY = (0..255).to_a.pack('C*')
ROWS = 100_000
KINDS = 'CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), half DOUBLE,
  label VARCHAR(100), raw VARBINARY(300), day DATE, moment DATETIME(6), flag TINYINT(1), nothing INT)'.freeze

def same(got, expected)
  raise "got #{got.inspect}, expected #{expected.inspect}" unless got == expected
end

def fails(number)
  yield
  raise "#{number} did not happen"
rescue Mysql2::Error => e
  same(e.error_number, number)
end

def query(sql) = $client.query(sql, as: :array)&.to_a

CASES = {
  'connect' => lambda {
    fails(1045) { Mysql2::Client.new(**SETTINGS, password: 'wrong') }
    $client = Mysql2::Client.new(**SETTINGS)
    same(query('SELECT DATABASE()'), [[SETTINGS[:database]]])
  },
  'ddl' => lambda {
    query(KINDS)
    same(query('SHOW COLUMNS FROM kinds').last.first, 'nothing')
  },
  'types' => lambda {
    row = [1, 2**64 - 1, BigDecimal('-12345678901234.567891'), 0.1, TEXT, BINARY, Date.new(2024, 2, 29),
           Time.utc(2024, 2, 29, 23, 59, 58, 123_456), 1, nil]
    $client.prepare('INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?)').execute(*row)
    same(query('SELECT * FROM kinds')[0], row)
    same($client.prepare('SELECT * FROM kinds WHERE id = ?').execute(1, as: :array).to_a[0], row)
  },
  'batch' => lambda {
    query('CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))')
    query('INSERT INTO batch VALUES ' + (0...1000).map { |i| "(#{i}, '#{$client.escape("é#{i}")}')" }.join(','))
    same($client.affected_rows, 1000)
    same(query('SELECT COUNT(*), MAX(label) FROM batch'), [[1000, 'é999']])
  },
  'prepared' => lambda {
    statement = $client.prepare('SELECT label FROM batch WHERE id = ?')
    [3, 4].each { |i| same(statement.execute(i, as: :array).to_a, [["é#{i}"]]) }
    statement.close
  },
  'transaction' => lambda {
    query('BEGIN')
    query('DELETE FROM batch')
    query('ROLLBACK')
    query('BEGIN')
    query('DELETE FROM batch WHERE id < 10')
    query('COMMIT')
    same(query('SELECT COUNT(*) FROM batch'), [[990]])
  },
  'errors' => lambda {
    fails(1062) { query("INSERT INTO batch VALUES (500, 'x')") }
    fails(1146) { query('SELECT * FROM missing') }
    fails(1064) { query('SELEC 1') }
    same($client.ping, true)
  },
  'large' => lambda {
    query('CREATE TABLE numbers (id INT PRIMARY KEY, label VARCHAR(40))')
    query('INSERT INTO numbers VALUES ' + (0...1000).map { |i| "(#{i},'row #{i}')" }.join(','))
    step = 1000
    while step < ROWS
      query("INSERT INTO numbers SELECT id + #{step}, label FROM numbers WHERE id < #{ROWS - step}")
      step *= 2
    end
    sum = 0
    $client.query('SELECT id, label FROM numbers', stream: true, cache_rows: false).each { |row| sum += row['id'] }
    same(sum, ROWS * (ROWS - 1) / 2)
  }
}.freeze

puts "version #{Mysql2::VERSION}"
failed = false
CASES.each do |name, work|
  work.call
  puts "pass #{name}"
rescue StandardError => e
  failed = true
  puts "fail #{name}: #{e.class}: #{e.message.tr("\n", ' ')[0, 400]}"
end
exit(failed ? 1 : 0)
