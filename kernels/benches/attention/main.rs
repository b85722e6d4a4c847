//! Attention: prints a page of the book.
//!
//! `cargo bench -p firesteel-kernels --bench attention -- --json attention.json > docs/src/benchmarks/attention.md`
//!
//! | option | meaning |
//! | --- | --- |
//! | `--only wgmma` | contestants whose name holds this |
//! | `--dim 128` | this size of heads instead of 64, 128 and 256; again for more |
//! | `--tokens 8192` | prompts of this length instead of the usual ones; again for more |
//! | `--rounds 21` | turns of each |
//! | `--json PATH` | the figures as JSON too |

#[path = "../harness/mod.rs"]
mod harness;
mod prefill;

use firesteel::prelude::*;
use harness::Failure;
use harness::options::Options;
use harness::page::Page;

fn main() -> Result<(), Failure> {
    let (mut dims, mut tokens) = (Vec::new(), Vec::new());
    let options = Options::parse(|option, value| {
        match option {
            "--dim" => dims.push(value.parse()?),
            "--tokens" => tokens.push(value.parse()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let device = Device::new(0)?;
    let mut page = Page::new(&device, "attention", "Attention")?;
    prefill::prompts(&device, &mut page, &options, (&dims, &tokens))?;
    prefill::chunks(&device, &mut page, &options, &dims)?;
    page.print(options.json.as_deref())
}
