//! Prepared statements: parameters in every place where drivers put them, binary results, and a
//! statement's whole life.

use libtest_mimic::Trial;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};

use crate::harness::{Outcome, Refusal, Server, Session, same, trials};

pub fn trials() -> Vec<Trial> {
    trials!(
        "prepared",
        [
            parameters_stand_wherever_drivers_put_them,
            a_statement_is_executed_again_with_other_types,
            text_and_binary_results_agree,
            prepare_says_how_many_parameters_and_columns,
            many_statements_are_open_at_once,
            a_closed_statement_is_gone,
            more_than_65535_placeholders_are_refused,
            a_statement_survives_changes_of_its_table,
            null_is_bound_as_null,
            set_kill_and_do_take_parameters,
        ]
    )
}

async fn session_with_rows(server: &Server) -> Outcome<Session> {
    let mut session = server.connect_to("prepared").await?;
    session
        .run(
            "CREATE TABLE p (id INT NOT NULL, site BIGINT UNSIGNED, name VARCHAR(20), \
             at DATETIME, amount DECIMAL(10,2), ratio DOUBLE) \
             DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        )
        .await?;
    session
        .run(
            "INSERT INTO p VALUES \
             (1, 10, 'a', '2025-01-01 00:00:00', 1.50, 0.5), \
             (2, 10, 'b', '2025-01-02 12:00:00', -2.25, 1.5), \
             (3, 20, 'c%', '2025-02-01 00:00:00', 100.00, -0.25), \
             (4, 18446744073709551615, NULL, NULL, NULL, NULL), \
             (5, 20, 'it''s', '2025-03-01 23:59:59', 0.01, 1e10)",
        )
        .await?;
    Ok(session)
}

/// A statement, its parameters, and the lines it must return.
type Case = (&'static str, Vec<Value>, &'static [&'static str]);

fn cases() -> Vec<Case> {
    vec![
        (
            "SELECT id FROM p WHERE site = ? ORDER BY id",
            vec![10.into()],
            &["1", "2"],
        ),
        (
            "SELECT id FROM p WHERE site = ?",
            vec![u64::MAX.into()],
            &["4"],
        ),
        (
            "SELECT id FROM p WHERE site = ? ORDER BY id",
            vec!["20".into()],
            &["3", "5"],
        ),
        (
            "SELECT id FROM p WHERE name = ?",
            vec!["it's".into()],
            &["5"],
        ),
        (
            "SELECT id FROM p WHERE name LIKE ?",
            vec!["c\\%".into()],
            &["3"],
        ),
        (
            "SELECT id FROM p WHERE name IN (?, ?, ?)",
            vec!["a".into(), "zz".into(), "A".into()],
            &["1"],
        ),
        (
            "SELECT id FROM p WHERE id IN (?,?) ORDER BY id",
            vec![2.into(), 5.into()],
            &["2", "5"],
        ),
        (
            "SELECT id FROM p WHERE at BETWEEN ? AND ? ORDER BY id",
            vec!["2025-01-02".into(), "2025-02-01 00:00:00".into()],
            &["2", "3"],
        ),
        (
            "SELECT id FROM p WHERE at >= ? ORDER BY id",
            vec![Value::Date(2025, 2, 1, 0, 0, 0, 0)],
            &["3", "5"],
        ),
        (
            "SELECT id FROM p WHERE amount = ?",
            vec!["-2.25".into()],
            &["2"],
        ),
        (
            "SELECT id FROM p WHERE amount > ? ORDER BY id",
            vec![1.25f64.into()],
            &["1", "3"],
        ),
        (
            "SELECT id FROM p WHERE ratio = ?",
            vec![(-0.25f64).into()],
            &["3"],
        ),
        (
            "SELECT id FROM p ORDER BY id LIMIT ?",
            vec![2.into()],
            &["1", "2"],
        ),
        (
            "SELECT id FROM p ORDER BY id LIMIT ? OFFSET ?",
            vec![2.into(), 3.into()],
            &["4", "5"],
        ),
        (
            "SELECT id FROM p ORDER BY id LIMIT ?, ?",
            vec![1.into(), 1.into()],
            &["2"],
        ),
        (
            "SELECT site, SUM(amount) AS s FROM p WHERE id < ? GROUP BY site HAVING s > ? ORDER BY s",
            vec![5.into(), 0.into()],
            &["20|100.00"],
        ),
        (
            "SELECT SUM(CASE WHEN site = ? THEN 1 ELSE 0 END) FROM p",
            vec![20.into()],
            &["2"],
        ),
        (
            "SELECT id + ? FROM p WHERE id = ?",
            vec![100.into(), 1.into()],
            &["101"],
        ),
        (
            "SELECT CONCAT(name, ?) FROM p WHERE id = 1",
            vec!["-ü🚀".into()],
            &["a-ü🚀"],
        ),
        (
            "SELECT COALESCE(name, ?) FROM p WHERE id = 4",
            vec!["none".into()],
            &["none"],
        ),
        (
            "SELECT id FROM p WHERE ? = 1 AND id = 3",
            vec![1.into()],
            &["3"],
        ),
        (
            "SELECT id FROM p WHERE site <=> ? AND name IS NULL",
            vec![u64::MAX.into()],
            &["4"],
        ),
        (
            "SELECT ?, ?",
            vec!["text".into(), Value::NULL],
            &["text|NULL"],
        ),
        (
            "SELECT COUNT(*) FROM (SELECT id FROM p WHERE site = ?) t WHERE id > ?",
            vec![20.into(), 3.into()],
            &["1"],
        ),
        (
            "SELECT '?', id FROM p WHERE id = ? -- ?",
            vec![1.into()],
            &["?|1"],
        ),
    ]
}

async fn parameters_stand_wherever_drivers_put_them(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    let mut problems = Vec::new();
    for (sql, params, expected) in cases() {
        let shown = format!("{params:?}");
        let expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        let actual = session
            .execute(sql, params)
            .await
            .map(|answer| answer.lines());
        if actual.as_ref() != Ok(&expected) {
            problems.push(format!(
                "{sql} {shown}\n  expected: {expected:?}\n  actual:   {actual:?}"
            ));
        }
    }
    session.must_answer().await?;
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

async fn a_statement_is_executed_again_with_other_types(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    let statement = session
        .conn()
        .prep("SELECT id FROM p WHERE site = ? ORDER BY id")
        .await?;
    let as_int = [
        Value::Int(10),
        Value::UInt(20),
        "10".into(),
        Value::Double(20.0),
        Value::NULL,
    ];
    let expected: [&[i32]; 5] = [&[1, 2], &[3, 5], &[1, 2], &[3, 5], &[]];
    for _ in 0..3 {
        for (value, ids) in as_int.iter().zip(expected) {
            let params = Params::Positional(vec![value.clone()]);
            let found: Vec<i32> = session.conn().exec(&statement, params).await?;
            same(&format!("{value:?}"), &ids.to_vec(), &found)?;
        }
    }
    Ok(())
}

async fn text_and_binary_results_agree(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    for sql in [
        "SELECT id, site, name, at, amount FROM p ORDER BY id",
        "SELECT COUNT(*), SUM(id), SUM(amount), AVG(id), MIN(at), MAX(name) FROM p",
        "SELECT DATE(at), YEAR(at), DATE_FORMAT(at, '%Y-%m') FROM p ORDER BY id",
        "SELECT 1, -1, 1.5, 'text', NULL, TRUE",
        "SELECT site, COUNT(*) FROM p GROUP BY site ORDER BY site",
    ] {
        let text = session.run(sql).await?;
        let binary = session.execute(sql, ()).await?;
        same(sql, &text.lines(), &binary.lines())?;
        same("names", &text.column_names(), &binary.column_names())?;
        let types = |answer: &crate::harness::Answer| -> Vec<_> {
            answer
                .columns
                .iter()
                .map(|column| (column.column_type(), column.decimals()))
                .collect()
        };
        same("types", &types(&text), &types(&binary))?;
    }
    Ok(())
}

async fn prepare_says_how_many_parameters_and_columns(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    for (sql, parameters, columns) in [
        (
            "SELECT id, name FROM p WHERE id = ? AND site IN (?, ?)",
            3,
            &["id", "name"][..],
        ),
        ("SELECT SUM(amount) AS total FROM p", 0, &["total"]),
        ("INSERT INTO p (id, site) VALUES (?, ?), (?, ?)", 4, &[]),
        ("SET @a = ?", 1, &[]),
    ] {
        let statement = session.conn().prep(sql).await?;
        same(sql, &parameters, &statement.num_params())?;
        let names: Vec<_> = statement
            .columns()
            .iter()
            .map(|c| c.name_str().into_owned())
            .collect();
        same(
            sql,
            &columns
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
            &names,
        )?;
    }
    Ok(())
}

async fn many_statements_are_open_at_once(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    let mut statements = Vec::new();
    for number in 0..200 {
        // mysql_async's own cache holds 32: beyond that it closes the oldest ones.
        statements.push(session.conn().prep(format!("SELECT {number} + ?")).await?);
    }
    for (number, statement) in statements.iter().enumerate().skip(180) {
        let sum: Option<i64> = session.conn().exec_first(statement, (1_000,)).await?;
        same("sum", &Some(1_000 + number as i64), &sum)?;
    }
    Ok(())
}

async fn a_closed_statement_is_gone(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    let statement = session.conn().prep("SELECT ? + 1").await?;
    session.conn().close(statement.clone()).await?;
    match session
        .conn()
        .exec_first::<i64, _, _>(&statement, (1,))
        .await
    {
        Err(mysql_async::Error::Server(error)) => same("code", &1243, &error.code)?,
        other => return Err(format!("expected 1243, got {other:?}").into()),
    }
    session.must_answer().await
}

async fn more_than_65535_placeholders_are_refused(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    let list = |count: usize| vec!["?"; count].join(",");
    let most = session.conn().prep(format!(
        "SELECT COUNT(*) FROM p WHERE id IN ({})",
        list(65_535)
    ));
    same("parameters", &65_535, &most.await?.num_params())?;
    let sql = format!("SELECT COUNT(*) FROM p WHERE id IN ({})", list(65_536));
    match session.conn().prep(sql).await.map_err(Refusal::from) {
        Err(Refusal::Server {
            code: 1390,
            state,
            message,
        }) => {
            let expected = (
                "HY000".to_owned(),
                "Prepared statement contains too many placeholders".to_owned(),
            );
            same("text", &expected, &(state, message))?;
        }
        other => return Err(format!("expected 1390, got {other:?}").into()),
    }
    session.must_answer().await
}

async fn a_statement_survives_changes_of_its_table(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    let mut other = server.connect_to("prepared").await?;
    let statement = session.conn().prep("SELECT * FROM p WHERE id = ?").await?;
    other.run("DROP TABLE p").await?;
    match session.conn().exec_drop(&statement, (1,)).await {
        Err(mysql_async::Error::Server(error)) => same("dropped", &1146, &error.code)?,
        other => return Err(format!("expected 1146, got {other:?}").into()),
    }
    other
        .run("CREATE TABLE p (id INT NOT NULL, other VARCHAR(5))")
        .await?;
    other.run("INSERT INTO p VALUES (1, 'new')").await?;
    let row: Option<(i32, String)> = session.conn().exec_first(&statement, (1,)).await?;
    same("made anew", &Some((1, "new".to_owned())), &row)
}

async fn null_is_bound_as_null(server: &mut Server) -> Outcome {
    let mut session = session_with_rows(server).await?;
    let sql = "INSERT INTO p VALUES (?, ?, ?, ?, ?, ?)";
    let mut row = vec![Value::NULL; 6];
    row[0] = Value::Int(9);
    session.execute(sql, row).await?;
    let lines = session.lines("SELECT * FROM p WHERE id = 9").await?;
    same(
        "row",
        &vec!["9|NULL|NULL|NULL|NULL|NULL".to_owned()],
        &lines,
    )?;
    let refused = session.execute(sql, vec![Value::NULL; 6]).await;
    let expected = "ERROR 1048 (23000): Column 'id' cannot be null";
    same(
        "NOT NULL",
        &Err(expected.to_owned()),
        &refused.map(|_| ()).map_err(|e| e.to_string()),
    )
}

async fn set_kill_and_do_take_parameters(server: &mut Server) -> Outcome {
    let mut session = server.connect().await?;
    let values: Vec<Value> = vec![5.into(), "x'y".into(), 7.into()];
    session
        .execute(
            "SET @a = ? + 1, @b = ?, SESSION max_error_count = ?",
            values,
        )
        .await?;
    let lines = session.lines("SELECT @a, @b, @@max_error_count").await?;
    same("set", &vec!["6|x'y|7".to_owned()], &lines)?;
    session.execute("DO ?, ? + 1", (1, 2)).await?;
    match session.execute("KILL QUERY ?", (4_000_000_000u32,)).await {
        Err(Refusal::Server { code: 1094, .. }) => Ok(()),
        other => Err(format!("KILL: {other:?}").into()),
    }
}
