// MariaDB Connector/J: java -cp DRIVER Matrix.java [server]  (server: prepares on the server, with a cursor)

import java.math.BigDecimal;
import java.sql.*;
import java.util.*;

public class Matrix {
    static final String TEXT = "Zürich 🚀 'quoted' \\ \"x\"\n\t%_";
    static final int ROWS = 100_000;
    static Connection connection;
    static String url;
    static boolean failed;

    interface Work {
        void run() throws Exception;
    }

    static String env(String name) {
        return System.getenv("MATRIX_" + name);
    }

    static Connection connect(String password) throws SQLException {
        return DriverManager.getConnection(url, env("USER"), password);
    }

    static void same(Object got, Object expected) {
        if (!Objects.deepEquals(got, expected)) {
            throw new AssertionError("got " + got + ", expected " + expected);
        }
    }

    static void fails(int number, Work work) throws Exception {
        try {
            work.run();
        } catch (SQLException error) {
            same(error.getErrorCode(), number);
            return;
        }
        throw new AssertionError(number + " did not happen");
    }

    static void update(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    static Object value(String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getObject(1);
        }
    }

    static void check(String name, Work work) {
        try {
            work.run();
            System.out.println("pass " + name);
        } catch (Throwable error) {
            failed = true;
            String text = String.valueOf(error).replaceAll("\\s+", " ");
            System.out.println("fail " + name + ": " + text.substring(0, Math.min(400, text.length())));
        }
    }

    public static void main(String[] arguments) throws Exception {
        String options = arguments.length > 0 ? "?useServerPrepStmts=true&useCompression=true" : "?rewriteBatchedStatements=true";
        url = "jdbc:mariadb://" + env("HOST") + ":" + env("PORT") + "/" + env("DATABASE") + options;
        System.out.println("version " + DriverManager.getDriver(url).getMajorVersion() + "."
            + DriverManager.getDriver(url).getMinorVersion());
        byte[] binary = new byte[256];
        for (int i = 0; i < 256; i++) {
            binary[i] = (byte) i;
        }
        check("connect", () -> {
            fails(1045, () -> connect("wrong"));
            connection = connect(env("PASSWORD"));
            same(value("SELECT DATABASE()"), env("DATABASE"));
            same(connection.isValid(5), true);
        });
        check("ddl", () -> {
            update("CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), half DOUBLE, "
                + "label VARCHAR(100), raw VARBINARY(300), day DATE, moment DATETIME(6), flag TINYINT(1), nothing INT)");
            DatabaseMetaData meta = connection.getMetaData();
            List<String> names = new ArrayList<>();
            try (ResultSet rows = meta.getColumns(env("DATABASE"), null, "kinds", "%")) {
                while (rows.next()) {
                    names.add(rows.getString("COLUMN_NAME") + ":" + rows.getInt("DATA_TYPE"));
                }
            }
            same(names.get(4), "label:" + Types.VARCHAR);
            same(names.size(), 10);
            try (ResultSet rows = meta.getPrimaryKeys(env("DATABASE"), null, "kinds")) {
                same(rows.next() && rows.getString("COLUMN_NAME").equals("id"), true);
            }
            try (ResultSet rows = meta.getTables(env("DATABASE"), null, "%", new String[] {"TABLE"})) {
                same(rows.next() && rows.getString("TABLE_NAME").equals("kinds"), true);
            }
        });
        check("types", () -> {
            Timestamp moment = Timestamp.valueOf("2024-02-29 23:59:58.123456");
            BigDecimal money = new BigDecimal("-12345678901234.567891");
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?)")) {
                insert.setInt(1, 1);
                insert.setBigDecimal(2, new BigDecimal("18446744073709551615"));
                insert.setBigDecimal(3, money);
                insert.setDouble(4, 0.1);
                insert.setString(5, TEXT);
                insert.setBytes(6, binary);
                insert.setDate(7, java.sql.Date.valueOf("2024-02-29"));
                insert.setTimestamp(8, moment);
                insert.setBoolean(9, true);
                insert.setNull(10, Types.INTEGER);
                same(insert.executeUpdate(), 1);
            }
            try (PreparedStatement select = connection.prepareStatement("SELECT * FROM kinds WHERE id = ?")) {
                select.setInt(1, 1);
                ResultSet row = select.executeQuery();
                row.next();
                same(row.getBigDecimal(2).toString(), "18446744073709551615");
                same(row.getBigDecimal(3), money);
                same(row.getDouble(4), 0.1);
                same(row.getString(5), TEXT);
                same(row.getBytes(6), binary);
                same(row.getDate(7).toString(), "2024-02-29");
                same(row.getTimestamp(8), moment);
                same(row.getBoolean(9), true);
                same(row.getObject(10), null);
            }
        });
        check("batch", () -> {
            update("CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))");
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO batch VALUES (?, ?)")) {
                for (int i = 0; i < 1000; i++) {
                    insert.setInt(1, i);
                    insert.setString(2, "é" + i);
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            same(value("SELECT COUNT(*) FROM batch"), 1000L);
        });
        check("prepared", () -> {
            try (PreparedStatement select = connection.prepareStatement("SELECT label FROM batch WHERE id = ?")) {
                for (int i = 3; i < 5; i++) {
                    select.setInt(1, i);
                    ResultSet row = select.executeQuery();
                    row.next();
                    same(row.getString(1), "é" + i);
                }
            }
        });
        check("transaction", () -> {
            connection.setAutoCommit(false);
            update("DELETE FROM batch");
            connection.rollback();
            update("DELETE FROM batch WHERE id < 10");
            connection.commit();
            connection.setAutoCommit(true);
            same(value("SELECT COUNT(*) FROM batch"), 990L);
            connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            same(connection.getTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED);
            try (PreparedStatement insert = connection.prepareStatement(
                    "INSERT INTO batch VALUES (5000, 'x')", Statement.RETURN_GENERATED_KEYS)) {
                same(insert.executeUpdate(), 1);
            }
        });
        check("errors", () -> {
            fails(1062, () -> update("INSERT INTO batch VALUES (500, 'x')"));
            fails(1146, () -> value("SELECT * FROM missing"));
            fails(1064, () -> update("SELEC 1"));
            same(value("SELECT 2").toString(), "2");
        });
        check("large", () -> {
            update("CREATE TABLE numbers (id INT PRIMARY KEY, label VARCHAR(40))");
            StringJoiner rows = new StringJoiner(",");
            for (int i = 0; i < 1000; i++) {
                rows.add("(" + i + ",'row " + i + "')");
            }
            update("INSERT INTO numbers VALUES " + rows);
            for (int step = 1000; step < ROWS; step *= 2) {
                update("INSERT INTO numbers SELECT id + " + step + ", label FROM numbers WHERE id < " + (ROWS - step));
            }
            long sum = 0;
            try (PreparedStatement select = connection.prepareStatement("SELECT id, label FROM numbers")) {
                select.setFetchSize(1000);
                ResultSet all = select.executeQuery();
                while (all.next()) {
                    sum += all.getInt(1);
                }
            }
            same(sum, (long) ROWS * (ROWS - 1) / 2);
            connection.close();
        });
        System.exit(failed ? 1 : 0);
    }
}
