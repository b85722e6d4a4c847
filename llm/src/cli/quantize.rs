//! `firesteel quantize`

use std::{io::Write, path::PathBuf, str::FromStr, time::Instant};

use firesteel::{Device, DeviceId};

use super::{failure::Failure, model::Source, progress};
use crate::quantize::{self, Mix, Packer};

const EXAMPLES: &str = "\
Types, by llama.cpp's names: q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k_s, q3_k_m, q3_k_l, q4_k_s,
q4_k_m, q5_k_s, q5_k_m, q6_k.

Examples:
  firesteel quantize Qwen3-0.6B qwen3-0.6b-q4_k_m.gguf
  firesteel quantize hf:Qwen/Qwen3-0.6B model.gguf --type q6_k
  firesteel quantize model-f16.gguf model-q8_0.gguf --type q8_0 --device cpu";

/// Writes a model as a GGUF file of quantised weights.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A folder with config.json and *.safetensors, a GGUF file of floats, or hf:REPO[/FILE]
    from: Source,
    /// The GGUF file to write
    to: PathBuf,
    /// What the weights become
    #[arg(long = "type", short = 't', value_name = "TYPE", default_value_t = Mix::Q4KM)]
    mix: Mix,
    /// Where weights are packed: `cpu`, `cuda:N` or `sim`, to the same bytes. Without it: on the
    /// first GPU, else on the CPU
    #[arg(long, value_name = "DEVICE")]
    device: Option<Place>,
    /// Replaces the file if there is one
    #[arg(long)]
    force: bool,
}

/// Where weights are packed.
#[derive(Debug, Clone, Copy)]
enum Place {
    Cpu,
    Device(DeviceId),
}

impl FromStr for Place {
    type Err = firesteel::Error;

    fn from_str(text: &str) -> Result<Self, firesteel::Error> {
        match text {
            "cpu" => Ok(Self::Cpu),
            device => Ok(Self::Device(device.parse()?)),
        }
    }
}

impl Args {
    fn packer(&self) -> Result<Packer, firesteel::Error> {
        match self.device {
            None => Packer::fastest(),
            Some(Place::Cpu) => Ok(Packer::Cpu),
            Some(Place::Device(id)) => Ok(Packer::Device(Device::open(id)?)),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let packer = args.packer()?;
    let from = args.from.path()?;
    let began = Instant::now();
    let bar = progress::weights(0);
    let mut told = |tensor: &str, done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(tensor.to_owned());
    };
    let written = quantize::quantize(&from, &args.to, args.mix, &packer, args.force, &mut told);
    bar.finish_and_clear();
    let quantize::Summary { tensors, parameters, bytes } = written?;
    let bits = 8.0 * bytes as f64 / parameters as f64;
    writeln!(
        std::io::stdout(),
        "{}: {}, {tensors} tensors, {:.1} M parameters, {:.1} MiB, {bits:.2} bits each, {:.1} s on {packer}",
        args.to.display(),
        args.mix,
        parameters as f64 / 1e6,
        bytes as f64 / f64::from(1 << 20),
        began.elapsed().as_secs_f64()
    )?;
    Ok(())
}
