//! [`TableSpec`]: the four tables as they are created, and the check that an existing one is still
//! such a table.

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{Metadata, Protocol, StructType};
use turnpike_schemas::Instant;
use turnpike_schemas::arrow as schemas;
use uuid::Uuid;

use crate::LakeError;

#[derive(Debug)]
pub(crate) struct TableSpec {
    pub(crate) name: &'static str,
    pub(crate) schema: fn() -> SchemaRef,
    pub(crate) partitions: &'static [&'static str],
    pub(crate) append_only: bool,
    /// Whether the list of data files is kept in memory. That of `usage_events` grows with every
    /// flush for years and only its tail is looked at often.
    pub(crate) keep_files: bool,
}

pub(crate) static USAGE_EVENTS: TableSpec = TableSpec {
    name: "usage_events",
    schema: schemas::usage_events,
    partitions: &schemas::USAGE_EVENTS_PARTITIONS,
    append_only: true,
    keep_files: false,
};

pub(crate) static USAGE: TableSpec = TableSpec {
    name: "usage",
    schema: schemas::usage,
    partitions: &schemas::USAGE_PARTITIONS,
    append_only: false,
    keep_files: true,
};

pub(crate) static USAGE_STATE: TableSpec = TableSpec {
    name: "usage_state",
    schema: schemas::usage_state,
    partitions: &schemas::USAGE_STATE_PARTITIONS,
    append_only: false,
    keep_files: true,
};

pub(crate) static RATED_LINES: TableSpec = TableSpec {
    name: "rated_lines",
    schema: schemas::rated_lines,
    partitions: &schemas::RATED_LINES_PARTITIONS,
    append_only: false,
    keep_files: true,
};

/// Table property that holds the number of buckets.
const BUCKETS: &str = "turnpike.buckets";
const APPEND_ONLY: &str = "delta.appendOnly";

impl TableSpec {
    /// The table's columns without the partition columns: what its data files hold.
    pub(crate) fn file_schema(&self) -> SchemaRef {
        let schema = (self.schema)();
        let inside = |name: &str| !self.partitions.contains(&name);
        let fields: Vec<_> =
            schema.fields().iter().filter(|field| inside(field.name())).cloned().collect();
        SchemaRef::new(arrow::datatypes::Schema::new(fields))
    }

    /// What the first commit of the table says.
    pub(crate) fn first_actions(
        &self,
        buckets: u32,
        now: Instant,
    ) -> Result<(Protocol, Metadata), LakeError> {
        let failed = |source| LakeError::Create { table: self.name, source };
        let schema = self.kernel_schema().map_err(|reason| failed(reason.into()))?;
        let schema = serde_json::to_string(&schema).map_err(|source| failed(source.into()))?;
        let mut configuration = HashMap::from([
            (BUCKETS, buckets.to_string()),
            // Compaction reads commits one by one, and what a month was rated from can be named.
            ("delta.enableExpiredLogCleanup", "false".to_owned()),
        ]);
        if self.append_only {
            configuration.insert(APPEND_ONLY, "true".to_owned());
        }
        // Writer version 7 names its features one by one; under version 2 invariants are implied,
        // which delta-rs cannot check without DataFusion. Its builder would add all of them.
        let protocol = serde_json::json!({
            "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["appendOnly"],
        });
        let metadata = serde_json::json!({
            "id": Uuid::now_v7().to_string(),
            "name": self.name,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema,
            "partitionColumns": self.partitions,
            "configuration": configuration,
            "createdTime": now.micros() / 1_000,
        });
        let protocol = serde_json::from_value(protocol).map_err(|error| failed(error.into()))?;
        let metadata = serde_json::from_value(metadata).map_err(|error| failed(error.into()))?;
        Ok((protocol, metadata))
    }

    /// Refuses a table that this crate cannot read as plain files or write to. The number of
    /// buckets was fixed when the table was made.
    pub(crate) fn check(
        &self,
        protocol: &Protocol,
        metadata: &Metadata,
        buckets: u32,
    ) -> Result<(), LakeError> {
        self.check_protocol(protocol)?;
        self.check_metadata(metadata)?;
        let stored = metadata.configuration().get(BUCKETS).and_then(|text| text.parse().ok());
        match stored {
            Some(stored) if stored == buckets => Ok(()),
            Some(stored) => {
                Err(LakeError::Buckets { table: self.name, stored, configured: buckets })
            }
            None => Err(self.refuse(format!("it has no property {BUCKETS}"))),
        }
    }

    fn check_protocol(&self, protocol: &Protocol) -> Result<(), LakeError> {
        let (reader, writer) = (protocol.min_reader_version(), protocol.min_writer_version());
        let reader_features = protocol.reader_features().unwrap_or_default();
        if reader != 1 || !reader_features.is_empty() {
            return Err(self.refuse(format!("readers need {reader} {reader_features:?}")));
        }
        let features = protocol.writer_features().unwrap_or_default();
        if writer != 7 || features.iter().any(|feature| feature.as_ref() != "appendOnly") {
            return Err(self.refuse(format!("writers need {writer} {features:?}")));
        }
        Ok(())
    }

    fn check_metadata(&self, metadata: &Metadata) -> Result<(), LakeError> {
        let configuration: &HashMap<String, String> = metadata.configuration();
        let append_only = configuration.get(APPEND_ONLY).is_some_and(|text| text == "true");
        if append_only != self.append_only {
            return Err(self.refuse(format!("{APPEND_ONLY} is {append_only}")));
        }
        if metadata.partition_columns() != self.partitions {
            return Err(self.refuse(format!("partitioned by {:?}", metadata.partition_columns())));
        }
        let stored = metadata.parse_schema().map_err(|error| self.refuse(error.to_string()))?;
        let wanted = self.kernel_schema().map_err(|reason| self.refuse(reason))?;
        if stored != wanted {
            return Err(self.refuse("its columns differ".to_owned()));
        }
        Ok(())
    }

    fn kernel_schema(&self) -> Result<StructType, String> {
        (self.schema)().as_ref().try_into_kernel().map_err(|error| error.to_string())
    }

    fn refuse(&self, reason: String) -> LakeError {
        LakeError::Protocol { table: self.name, reason }
    }
}
