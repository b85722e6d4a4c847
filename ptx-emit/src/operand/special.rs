//! Special registers.

use crate::ty::{Since, Ty, since};

macro_rules! specials {
    ($($Name:ident $text:literal $ty:ident $(since $since:expr)?;)*) => {
        /// A special register. PTX ISA, "Special Registers".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Special { $(#[doc = concat!("`", $text, "`")] $Name,)* }

        impl Special {
            /// Every special register.
            pub const ALL: &'static [Self] = &[$(Self::$Name),*];

            /// Its name.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$Name => $text,)* }
            }

            /// Its type.
            #[must_use]
            pub const fn ty(self) -> Ty {
                match self { $(Self::$Name => Ty::$ty,)* }
            }

            /// What it asks of the machine.
            #[must_use]
            pub fn since(self) -> Since {
                match self { $(Self::$Name => Since::BASE $(.and($since))?,)* }
            }

            /// The special register of that name.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$Name),)*
                    _ => None,
                }
            }
        }
    };
}

/// Clusters came with Hopper.
const CLUSTER: Since = since(7, 8, 90);

specials! {
    TidX "%tid.x" U32; TidY "%tid.y" U32; TidZ "%tid.z" U32;
    NtidX "%ntid.x" U32; NtidY "%ntid.y" U32; NtidZ "%ntid.z" U32;
    CtaidX "%ctaid.x" U32; CtaidY "%ctaid.y" U32; CtaidZ "%ctaid.z" U32;
    NctaidX "%nctaid.x" U32; NctaidY "%nctaid.y" U32; NctaidZ "%nctaid.z" U32;
    Laneid "%laneid" U32; Warpid "%warpid" U32; Nwarpid "%nwarpid" U32;
    Smid "%smid" U32; Nsmid "%nsmid" U32; Gridid "%gridid" U64;
    LanemaskEq "%lanemask_eq" U32; LanemaskLe "%lanemask_le" U32;
    LanemaskLt "%lanemask_lt" U32; LanemaskGe "%lanemask_ge" U32;
    LanemaskGt "%lanemask_gt" U32;
    Clock "%clock" U32; ClockHi "%clock_hi" U32; Clock64 "%clock64" U64;
    Globaltimer "%globaltimer" U64; GlobaltimerLo "%globaltimer_lo" U32;
    GlobaltimerHi "%globaltimer_hi" U32;
    DynamicSmemSize "%dynamic_smem_size" U32; TotalSmemSize "%total_smem_size" U32;
    ClusterCtaidX "%cluster_ctaid.x" U32 since CLUSTER; ClusterCtaidY "%cluster_ctaid.y" U32 since CLUSTER;
    ClusterCtaidZ "%cluster_ctaid.z" U32 since CLUSTER;
    ClusterNctaidX "%cluster_nctaid.x" U32 since CLUSTER; ClusterNctaidY "%cluster_nctaid.y" U32 since CLUSTER;
    ClusterNctaidZ "%cluster_nctaid.z" U32 since CLUSTER;
    ClusteridX "%clusterid.x" U32 since CLUSTER; ClusteridY "%clusterid.y" U32 since CLUSTER; ClusteridZ "%clusterid.z" U32 since CLUSTER;
    NclusteridX "%nclusterid.x" U32 since CLUSTER; NclusteridY "%nclusterid.y" U32 since CLUSTER;
    NclusteridZ "%nclusterid.z" U32 since CLUSTER;
    ClusterCtarank "%cluster_ctarank" U32 since CLUSTER; ClusterNctarank "%cluster_nctarank" U32 since CLUSTER;
    WarpSize "WARP_SZ" U32;
}
