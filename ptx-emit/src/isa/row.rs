//! What a row of the instruction table becomes.

/// Turns the rows of the table into types, text, parser, checks and [`Execute`](super::Execute).
///
/// A row reads
///
/// ```text
/// Name / method "mnemonic" { modifier: Type, … } (operand: Kind[type], …)
///     [if condition => "message", …] since requirement;
/// ```
///
/// Modifiers are printed in order behind the mnemonic, operands in order behind them. Types of
/// operands, conditions and the requirement are expressions over the modifiers (references).
macro_rules! instructions {
    ($(
        $(#[doc = $doc:literal])*
        $Name:ident / $method:ident $mnemonic:literal
        { $($m:ident: $M:ty),* $(,)? }
        ( $($o:ident: $O:ty [ $t:expr ]),* $(,)? )
        $(if $cond:expr => $why:literal,)*
        since $since:expr;
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Name {
                $(#[doc = concat!("Modifier `", stringify!($m), "`.")] pub $m: $M,)*
                $(#[doc = concat!("Operand `", stringify!($o), "`.")] pub $o: $O,)*
            }

            impl From<$Name> for Op {
                fn from(it: $Name) -> Self {
                    Self::$Name(it)
                }
            }

            impl From<$Name> for $crate::ir::Inst {
                fn from(it: $Name) -> Self {
                    Op::$Name(it).into()
                }
            }

            impl $Name {
                fn read(
                    parts: &[&str], from: &mut OperandParser<'_>,
                ) -> Result<Op, ParseError> {
                    let mut parts = Parts::new(parts);
                    if !parts.take_text($mnemonic) {
                        return Err(from.not_this());
                    }
                    $(let Some($m) = <$M>::parse(&mut parts) else {
                        return Err(from.bad_modifier(&parts, stringify!($m)));
                    };)*
                    if !parts.is_empty() {
                        return Err(from.bad_modifier(&parts, ""));
                    }
                    $(let $o = from.next_operand::<$O>()?;)*
                    from.end()?;
                    Ok(Op::$Name(Self { $($m,)* $($o,)* }))
                }

                #[cfg(feature = "sample")]
                #[allow(unused_variables, unused_mut, reason = "rows without modifiers and operands")]
                fn sample(from: &mut Sampler<'_>) -> Op {
                    let mut it = Self {
                        $($m: Modifier::sample(from),)*
                        $($o: Operand::sample(from),)*
                    };
                    let types: Vec<Ty> = {
                        let $Name { $($m,)* $($o,)* } = &it;
                        vec![$(Ty::from(($t).clone())),*]
                    };
                    let mut types = types.into_iter();
                    $(if let Some(ty) = types.next() {
                        Operand::settle(&mut it.$o, ty, from);
                    })*
                    Op::$Name(it)
                }
            }
        )*

        /// An instruction.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each variant holds the documented type of its name")]
        pub enum Op { $($Name($Name),)* }

        /// One method for each instruction: what an executor must be able to do.
        #[allow(missing_docs, reason = "each method takes the documented type of its name")]
        pub trait Execute {
            /// What executing one gives.
            type Output;
            $(fn $method(&mut self, it: &$Name) -> Self::Output;)*
        }

        /// Readers of the rows, in the order of the table, by the first word of the mnemonic.
        pub(crate) const READERS: &[(&str, Reader)] = &[$(($mnemonic, $Name::read),)*];

        /// Every row of the table: its name, and how to draw an instruction from it.
        #[cfg(feature = "sample")]
        pub const ROWS: &[(&str, fn(&mut Sampler<'_>) -> Op)] =
            &[$((stringify!($Name), $Name::sample),)*];

        impl Op {
            /// Name of the row.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$Name(_) => stringify!($Name),)* }
            }

            /// Mnemonic without modifiers.
            #[must_use]
            pub const fn mnemonic(&self) -> &'static str {
                match self { $(Self::$Name(_) => $mnemonic,)* }
            }

            /// Calls the method of `executor` that is for this instruction.
            pub fn execute<E: Execute>(&self, executor: &mut E) -> E::Output {
                match self { $(Self::$Name(it) => executor.$method(it),)* }
            }

            /// Shows every operand with its type.
            #[allow(unused_variables, reason = "not every row's types depend on its modifiers")]
            pub fn visit(&self, visit: &mut dyn FnMut(Slot<'_>)) {
                match self { $(Self::$Name(it) => {
                    let $Name { $($m,)* $($o,)* } = it;
                    $(Operand::visit($o, Ty::from(($t).clone()), visit);)*
                })* }
            }

            /// Shows the registers of each operand that is a vector.
            #[allow(unused_variables, reason = "rows without operands")]
            pub fn vectors(&self, visit: &mut dyn FnMut(&[Reg])) {
                match self { $(Self::$Name(it) => {
                    $(let regs = it.$o.vector();
                    if !regs.is_empty() {
                        visit(&regs);
                    })*
                })* }
            }

            /// Shows what each address starts from.
            #[allow(unused_variables, reason = "rows without addresses")]
            pub fn addresses(&self, visit: &mut dyn FnMut(&Value)) {
                match self { $(Self::$Name(it) => {
                    $(if let Some(addr) = it.$o.address() {
                        visit(&addr.base);
                    })*
                })* }
            }

            /// The state space among its modifiers; `None` for generic addresses, and for the
            /// few mnemonics that hold it themselves (`ld.global.nc`, `cp.async`).
            #[must_use]
            #[allow(unused_variables, reason = "rows without modifiers")]
            pub fn space(&self) -> Option<Space> {
                match self { $(Self::$Name(it) => {
                    let modifiers: &[&dyn Any] = &[$(&it.$m),*];
                    modifiers.iter().copied().find_map(space)
                })* }
            }

            /// Lets `change` replace the registers and values of the operands.
            #[allow(unused_variables, reason = "rows without operands")]
            pub fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
                match self { $(Self::$Name(it) => {
                    $(Operand::parts_mut(&mut it.$o, change);)*
                })* }
            }

            /// The oldest PTX version and architecture that have it and the special registers in it.
            #[must_use]
            pub fn since(&self) -> Since {
                let mut since = self.row_since();
                self.visit(&mut |slot| {
                    if let Slot::Use(Value::Special(special), ..) = slot {
                        since = since.and(special.since());
                    }
                });
                since
            }

            #[allow(unused_variables, reason = "not every row's requirement needs its modifiers")]
            fn row_since(&self) -> Since {
                match self { $(Self::$Name(it) => {
                    let $Name { $($m,)* $($o,)* } = it;
                    let row: Since = $since;
                    row $(.and(Modifier::since($m)))*
                })* }
            }

            /// What is wrong with the combination of its modifiers and operands.
            #[must_use]
            #[allow(unused_variables, reason = "not every row has conditions")]
            pub fn objection(&self) -> Option<&'static str> {
                match self { $(Self::$Name(it) => {
                    let $Name { $($m,)* $($o,)* } = it;
                    $(if !($cond) {
                        return Some($why);
                    })*
                    None
                })* }
            }

            #[allow(unused_variables, reason = "rows without modifiers and operands")]
            pub(crate) fn print(&self, out: &mut Printer<'_>) {
                match self { $(Self::$Name(it) => {
                    out.opcode($mnemonic);
                    $(it.$m.print(out.out());)*
                    $(out.operand(&it.$o);)*
                    out.end();
                })* }
            }
        }
    };
}

pub(super) use instructions;
