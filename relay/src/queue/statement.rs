//! Statements about many rows at once: what a group commit does for the disk, they do for the
//! processor.
//!
//! A statement is prepared once for each number of rows, so that only powers of two are used: a
//! number of rows is put together from them, and a list to look in is filled up with its last
//! value.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

/// Most rows of one statement.
const MOST: usize = 64;

/// Splits rows into runs whose lengths are powers of two, the longest first.
pub(super) fn runs<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = match rows.len() {
            0 => return None,
            count => 1 << count.min(MOST).ilog2(),
        };
        let (run, rest) = rows.split_at(length);
        rows = rest;
        Some(run)
    })
}

/// Splits values into lists of at most [`MOST`], each filled up to a power of two with its last
/// value.
pub(super) fn lists<T: Clone>(values: &[T]) -> impl Iterator<Item = Vec<T>> {
    values.chunks(MOST).map(|chunk| {
        let mut list = chunk.to_vec();
        if let Some(last) = chunk.last() {
            list.resize(chunk.len().next_power_of_two(), last.clone());
        }
        list
    })
}

/// `head ($1, …), (…)`, with `columns` parameters for each of `rows`.
pub(super) fn insert(head: &'static str, rows: usize, columns: usize) -> SqlStr {
    let mut text = String::with_capacity(head.len() + rows * columns * 6);
    text.push_str(head);
    for row in 0..rows {
        text.push_str(if row == 0 { " (" } else { ", (" });
        parameters(&mut text, row * columns + 1, columns);
        text.push(')');
    }
    AssertSqlSafe(text).into_sql_str()
}

/// `before ($first, …) after`, with `count` parameters.
pub(super) fn among(
    before: &'static str,
    first: usize,
    count: usize,
    after: &'static str,
) -> SqlStr {
    let mut text = String::with_capacity(before.len() + after.len() + count * 6);
    text.push_str(before);
    text.push_str(" (");
    parameters(&mut text, first, count);
    text.push_str(") ");
    text.push_str(after);
    AssertSqlSafe(text).into_sql_str()
}

fn parameters(text: &mut String, first: usize, count: usize) {
    for number in first..first + count {
        if number > first {
            text.push(',');
        }
        let _ = write!(text, "${number}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_put_together_from_powers_of_two() {
        for count in 0..300 {
            let rows: Vec<usize> = (0..count).collect();
            let split: Vec<&[usize]> = runs(&rows).collect();
            assert_eq!(split.concat(), rows);
            assert!(split.iter().all(|run| run.len().is_power_of_two()));
            assert!(split.len() <= count / MOST + 6);
            let lists: Vec<Vec<usize>> = lists(&rows).collect();
            assert!(
                rows.iter()
                    .all(|row| lists.iter().flatten().any(|one| one == row))
            );
            assert!(lists.iter().all(|list| list.len().is_power_of_two()));
        }
    }

    #[test]
    fn parameters_are_numbered_through() {
        assert_eq!(
            insert("X VALUES", 2, 2).as_str(),
            "X VALUES ($1,$2), ($3,$4)"
        );
        assert_eq!(among("id IN", 3, 2, "END").as_str(), "id IN ($3,$4) END");
    }
}
