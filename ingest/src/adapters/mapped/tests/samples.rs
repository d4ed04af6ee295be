//! Samples of the formats, where the folder of them lies beside the workspace.

use std::path::{Path, PathBuf};

use turnpike_schemas::Instant;

use super::shown;
use crate::{IngestSettings, file};

/// The folder, or `None` with a note that the test says nothing.
fn shared(path: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = ["../../shared/samples", "../shared/samples"];
    let found = beside.iter().map(|beside| root.join(beside).join(path)).find(|p| p.exists());
    if found.is_none() {
        println!("skipped: there is no {path} beside the workspace");
    }
    found
}

/// What a file becomes, where its records without a time were true at `at`.
fn read(path: &Path, at: &str) -> Vec<String> {
    let at = Instant::parse(at).ok();
    let settings = IngestSettings { at, ..IngestSettings::default() };
    let now = Instant::parse("2026-11-21T03:00:00Z").expect("instant");
    let mut lines = Vec::new();
    file::preview(path, &settings, now, &mut |_, preview| {
        lines.extend(shown(&preview.decoded));
        true
    })
    .expect("reads");
    lines
}

#[test]
fn samples_give_the_intervals_that_they_should() {
    let at = "2026-01-02T00:00:00Z";
    let check = |path: &str, expect: &[&str]| {
        if let Some(path) = shared(path) {
            assert_eq!(read(&path, at), expect, "{}", path.display());
        }
    };
    let sizes = "instance=1 vcpu=2000000 memory=2147483648 root-disk=10737418240";
    let history = [
        format!("13/000000/1-allocated transition stopped 2026-01-01T00:00:00Z {sizes}"),
        format!("13/000000/2-running transition active 2026-01-01T00:00:30Z {sizes}"),
        format!("13/000000/3-stopped transition stopped 2026-01-01T01:00:00Z {sizes}"),
        format!("13/000000/4-ended transition shelved-offloaded 2026-01-01T01:00:00Z {sizes}"),
    ];
    let history: Vec<&str> = history.iter().map(String::as_str).collect();
    check("opennebula/acct_history_constructed.xml", &history);
    let vm = "3a2f3f1e-0000-4000-8000-000000000001";
    let window = "2026-01-01T00:00:00Z..2026-01-02T00:00:00Z";
    let usage = format!(
        "{vm}/usage/{at} interval active {window} cpu-mhz=812000000 memory=2147483648 \
         egress=+2147483648 ingress=+1073741824"
    );
    let disks = format!("{vm}/disks/{at} audit active {window} root-disk=137438953472");
    check("hyperv/measure_vm_constructed.json", &[&usage, &disks]);
    check(
        "xen/xapi_message_constructed.json",
        &["a0b1c2d3-0000-4000-8000-000000000001 transition stopped 2026-01-01T10:00:00Z"],
    );
    let web = format!(
        "web1/{at} snapshot active {at} vcpu=2000000 memory=2147483648 \
         cpu-time=+128529000000000 egress=+4919201792 ingress=+207566848 disk-ops=+159592"
    );
    check("xen/xentop_batch_constructed.txt", &["unmetered: Domain-0 is the host", &web]);
}
