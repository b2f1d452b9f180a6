// Go's database/sql with go-sql-driver.
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const text = "Zürich 🚀 'quoted' \\ \"x\"\n\t%_"
const rows = 100000

var db *sql.DB
var failed bool

func env(name string) string { return os.Getenv("MATRIX_" + name) }

func open(password, options string) *sql.DB {
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s:%s)/%s?parseTime=true&charset=utf8mb4%s",
		env("USER"), password, env("HOST"), env("PORT"), env("DATABASE"), options))
	must(err)
	return db
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func exec(query string, args ...interface{}) sql.Result {
	result, err := db.Exec(query, args...)
	must(err)
	return result
}

func number(query string, args ...interface{}) (n int64) {
	must(db.QueryRow(query, args...).Scan(&n))
	return
}

func same(got, expected interface{}) {
	if !reflect.DeepEqual(got, expected) {
		panic(fmt.Sprintf("got %v, expected %v", got, expected))
	}
}

func fails(number uint16, err error) {
	var known *mysql.MySQLError
	if !errors.As(err, &known) {
		panic(fmt.Sprintf("%d did not happen: %v", number, err))
	}
	same(known.Number, number)
}

func check(name string, work func()) {
	defer func() {
		if why := recover(); why != nil {
			failed = true
			fmt.Printf("fail %s: %.400s\n", name, strings.ReplaceAll(fmt.Sprint(why), "\n", " "))
		} else {
			fmt.Printf("pass %s\n", name)
		}
	}()
	work()
}

func main() {
	fmt.Println("version", env("GO_DRIVER"))
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	check("connect", func() {
		fails(1045, open("wrong", "").Ping())
		db = open(env("PASSWORD"), "")
		must(db.Ping())
	})
	check("ddl", func() {
		exec(`CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), half DOUBLE,
			label VARCHAR(100), raw VARBINARY(300), moment DATETIME(6), flag TINYINT(1), nothing INT)`)
		same(number("SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = ? AND table_name = 'kinds'",
			env("DATABASE")), int64(9))
	})
	check("types", func() {
		moment := time.Date(2024, 2, 29, 23, 59, 58, 123456000, time.UTC)
		exec("INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?)", 1, uint64(1<<64-1), "-12345678901234.567891", 0.1, text,
			binary, moment, true, nil)
		for _, options := range []string{"", "&interpolateParams=true"} {
			var id int
			var big uint64
			var money, label string
			var half float64
			var raw []byte
			var at time.Time
			var flag bool
			var nothing sql.NullInt64
			other := open(env("PASSWORD"), options)
			must(other.QueryRow("SELECT * FROM kinds WHERE id = ?", 1).
				Scan(&id, &big, &money, &half, &label, &raw, &at, &flag, &nothing))
			same([]interface{}{id, big, money, half, label, raw, at, flag, nothing.Valid},
				[]interface{}{1, uint64(1<<64 - 1), "-12345678901234.567891", 0.1, text, binary, moment, true, false})
			other.Close()
		}
	})
	check("batch", func() {
		exec("CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))")
		var marks []string
		var values []interface{}
		for i := 0; i < 1000; i++ {
			marks = append(marks, "(?,?)")
			values = append(values, i, fmt.Sprintf("é%d", i))
		}
		affected, _ := exec("INSERT INTO batch VALUES "+strings.Join(marks, ","), values...).RowsAffected()
		same(affected, int64(1000))
	})
	check("prepared", func() {
		statement, err := db.Prepare("SELECT label FROM batch WHERE id = ?")
		must(err)
		for i := 3; i < 5; i++ {
			var label string
			must(statement.QueryRow(i).Scan(&label))
			same(label, fmt.Sprintf("é%d", i))
		}
		statement.Close()
	})
	check("transaction", func() {
		for _, commits := range []bool{false, true} {
			transaction, err := db.Begin()
			must(err)
			_, err = transaction.Exec("DELETE FROM batch WHERE id < 10")
			must(err)
			if commits {
				must(transaction.Commit())
			} else {
				must(transaction.Rollback())
				same(number("SELECT COUNT(*) FROM batch"), int64(1000))
			}
		}
		same(number("SELECT COUNT(*) FROM batch"), int64(990))
	})
	check("errors", func() {
		_, err := db.Exec("INSERT INTO batch VALUES (500, 'x')")
		fails(1062, err)
		_, err = db.Query("SELECT * FROM missing")
		fails(1146, err)
		_, err = db.Prepare("SELEC ?")
		fails(1064, err)
		same(number("SELECT 2"), int64(2))
	})
	check("large", func() {
		exec("CREATE TABLE numbers (id INT PRIMARY KEY, label VARCHAR(40))")
		var values []string
		for i := 0; i < 1000; i++ {
			values = append(values, fmt.Sprintf("(%d,'row %d')", i, i))
		}
		exec("INSERT INTO numbers VALUES " + strings.Join(values, ","))
		for step := 1000; step < rows; step *= 2 {
			exec(fmt.Sprintf("INSERT INTO numbers SELECT id + %d, label FROM numbers WHERE id < %d", step, rows-step))
		}
		all, err := db.Query("SELECT id FROM numbers")
		must(err)
		var sum int64
		for all.Next() {
			var id int64
			must(all.Scan(&id))
			sum += id
		}
		same(sum, int64(rows)*(rows-1)/2)
	})
	if failed {
		os.Exit(1)
	}
}
