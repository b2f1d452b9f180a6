//! What a query wants of one file: columns that the file has, and those that its directories have values for.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::load::{FileFormat, given, values_in};

/// The columns of a file, whose names are folded. Objects may spell a name in several ways and mean one column; a file
/// that has two columns of one name is error 1060.
pub(super) fn once_each(fields: Vec<Field>, layout: FileFormat) -> Result<Vec<Field>> {
    let mut names = HashSet::new();
    let mut once = Vec::with_capacity(fields.len());
    for field in fields {
        if names.insert(field.name().clone()) {
            once.push(field);
        } else if layout != FileFormat::Ndjson {
            return Err(SqlError::duplicate_column_name(field.name()));
        }
    }
    Ok(once)
}

#[derive(Debug)]
pub(super) struct Part {
    schema: SchemaRef,
    /// Columns that are read, and their places in a file of lines.
    own: Schema,
    places: Vec<usize>,
    /// For each column of `schema`: what directories say; `None`: it is the next one that is read.
    given: Vec<Option<Scalar>>,
}

impl Part {
    /// `columns` of `schema`, whose first `own` ones are in the file `url`; 1054 when its directories lack one of the
    /// others.
    pub(super) fn of(
        schema: &Schema,
        (own, columns): (usize, &[usize]),
        url: &str,
    ) -> Result<Self> {
        let fail = |e: arrow::error::ArrowError| SqlError::internal(e.to_string());
        let wanted = schema.project(columns).map_err(fail)?;
        let places: Vec<usize> = columns.iter().copied().filter(|c| *c < own).collect();
        let values = values_in(url);
        let of_directories = columns.iter().zip(wanted.fields()).map(|(column, field)| {
            if *column < own {
                return Ok(None);
            }
            let value = given(&values, field.name()).cloned();
            let unknown = || SqlError::unknown_column(field.name(), url);
            value.ok_or_else(unknown).map(Some)
        });
        Ok(Self {
            given: of_directories.collect::<Result<_>>()?,
            own: schema.project(&places).map_err(fail)?,
            schema: Arc::new(wanted),
            places,
        })
    }

    pub(super) fn own(&self) -> &Schema {
        &self.own
    }

    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }

    /// Of the columns that are read.
    pub(super) fn names(&self) -> Vec<String> {
        let fields = self.own.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    /// A batch of so many rows from what was read. Of no columns, too: COUNT(*) asks for none.
    pub(super) fn batch(&self, own: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let mut own = own.into_iter();
        let column = |given: &Option<Scalar>| match given {
            None => {
                let next = own.next();
                next.ok_or_else(|| SqlError::internal("a column is missing"))
            }
            Some(Scalar::Text(text)) => {
                let texts = std::iter::repeat_n(text, rows);
                Ok(Arc::new(StringViewArray::from_iter_values(texts)) as ArrayRef)
            }
            Some(_) => Ok(new_null_array(&DataType::Utf8View, rows)),
        };
        let arrays = self.given.iter().map(column).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        batch.map_err(|e| SqlError::internal(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int32Array};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn part(columns: &[usize], url: &str) -> Result<Part> {
        let field = |name: &str, of: DataType| Field::new(name, of, true);
        let schema = Schema::new(vec![
            field("a", DataType::Int32),
            field("b", DataType::Int32),
            field("site", DataType::Utf8View),
            field("day", DataType::Utf8View),
        ]);
        Part::of(&schema, (2, columns), url)
    }

    #[test]
    fn a_name_stands_for_one_column() {
        let field = |name: &str| Field::new(name, DataType::Utf8View, true);
        let fields = || vec![field("id"), field("v"), field("id")];
        for layout in [FileFormat::Csv, FileFormat::Lines, FileFormat::Parquet] {
            let error = once_each(fields(), layout).expect_err("has it twice");
            let told = (error.code, error.message.as_str());
            assert_eq!(told, (1060, "Duplicate column name 'id'"));
        }
        let objects = once_each(fields(), FileFormat::Ndjson).expect("is one");
        assert_eq!(objects, [field("id"), field("v")]);
    }

    #[test]
    fn columns_of_directories_stand_among_those_of_the_file() {
        let url = "s3://x/Site=7%2F8/day=__HIVE_DEFAULT_PARTITION__/p";
        let part = part(&[2, 1, 3], url).expect("has all");
        assert_eq!(
            (part.names(), part.places()),
            (vec!["b".to_owned()], &[1][..])
        );
        let own: ArrayRef = Arc::new(Int32Array::from(vec![4, 5]));
        let batch = part.batch(vec![own], 2).expect("fits");
        assert_eq!(batch.column(0).as_string_view().value(1), "7/8");
        assert_eq!(batch.column(1).as_primitive::<Int32Type>().value(1), 5);
        assert_eq!(batch.column(2).null_count(), 2);
    }

    #[test]
    fn a_file_elsewhere_has_no_value() {
        let error = part(&[0, 3], "s3://x/site=7/p").expect_err("lacks day");
        assert_eq!(error.code, 1054);
        assert!(
            error.message.contains("'day' in 's3://x/site=7/p'"),
            "{}",
            error.message
        );
        let none = part(&[], "s3://x/p").expect("is asked for nothing");
        assert_eq!(
            none.batch(Vec::new(), 9).map(|batch| batch.num_rows()),
            Ok(9)
        );
    }
}
