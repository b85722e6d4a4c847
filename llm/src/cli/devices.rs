//! `firesteel devices`

use std::io::Write;

use super::failure::Failure;

pub(super) fn run() -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for firesteel::DeviceEntry { id, info, .. } in firesteel::devices() {
        let (major, minor) = info.compute_capability;
        let memory = info.total_memory as f64 / (1_u64 << 30) as f64;
        let id = id.to_string();
        writeln!(out, "{id:<8} {}, sm_{major}{minor}, {memory:.0} GiB", info.name)?;
    }
    Ok(())
}
