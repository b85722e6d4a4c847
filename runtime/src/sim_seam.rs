//! Memory of the simulated device; it executes no kernels.
#![allow(missing_docs, unreachable_pub, reason = "placeholder with the simulator's names")]

use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    All,
    None,
}
#[derive(Debug, Clone)]
pub struct SimOptions {
    pub checks: Checks,
    pub step_limit: u64,
    pub sm: u32,
}
impl Default for SimOptions {
    fn default() -> Self {
        Self { checks: Checks::All, step_limit: 1 << 32, sm: 90 }
    }
}
#[derive(Debug)]
pub struct Report {
    pub message: String,
}
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
#[derive(Debug)]
pub struct SimError {
    pub line: Option<u32>,
    pub message: String,
}
#[derive(Debug)]
pub struct SimModule;
#[derive(Debug)]
pub struct SimKernel;
#[derive(Debug)]
pub struct LaunchStats;
impl SimModule {
    pub fn kernel(&self, _name: &str) -> Option<SimKernel> {
        None
    }
}
#[derive(Debug)]
pub struct Sim {
    memory: Mutex<BTreeMap<u64, Vec<u8>>>,
}
impl Sim {
    pub fn new(_options: SimOptions) -> Self {
        Self { memory: Mutex::default() }
    }
    pub fn alloc(&self, bytes: u64) -> u64 {
        let mut memory = self.memory.lock().unwrap_or_else(|e| e.into_inner());
        let end = memory.last_key_value().map_or(4096, |(at, bytes)| at + bytes.len() as u64);
        let at = end.next_multiple_of(256) + 256;
        memory.insert(at, vec![0; bytes as usize]);
        at
    }
    pub fn free(&self, address: u64) {
        self.memory.lock().unwrap_or_else(|e| e.into_inner()).remove(&address);
    }
    pub fn read(&self, address: u64, to: &mut [u8]) {
        let memory = self.memory.lock().unwrap_or_else(|e| e.into_inner());
        let (at, bytes) = memory.range(..=address).next_back().expect("an allocation");
        let start = (address - at) as usize;
        to.copy_from_slice(&bytes[start..start + to.len()]);
    }
    pub fn write(&self, address: u64, from: &[u8]) {
        let mut memory = self.memory.lock().unwrap_or_else(|e| e.into_inner());
        let (at, bytes) = memory.range_mut(..=address).next_back().expect("an allocation");
        let start = (address - at) as usize;
        bytes[start..start + from.len()].copy_from_slice(from);
    }
    pub fn load(&self, _ptx: &str) -> Result<SimModule, SimError> {
        Err(SimError { line: None, message: "the simulator executes no kernels".into() })
    }
    pub fn launch(
        &self,
        _kernel: &SimKernel,
        _grid: [u32; 3],
        _block: [u32; 3],
        _dynamic_shared: u32,
        _args: &[u64],
    ) -> Result<LaunchStats, Box<Report>> {
        Ok(LaunchStats)
    }
}
