//! The kernel object as built, and as this host needs it: marks replaced by true offsets.

use object::{Object as _, ObjectSection as _, SectionKind};
use rajut_ebpf::abi::{
    constant::Constant,
    field::{FIRST_MARK, PLACES, Place, STEP},
};

use super::btf::Btf;

/// The object as built, aligned for an ELF reader.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("RAJUT_OBJECT"));

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;
/// `register = immediate`: BPF_ALU64 | BPF_MOV | BPF_K.
const SET: u8 = 0xb7;
/// Instruction class and mode of a load from memory: BPF_LDX | BPF_MEM, without the size.
const LOAD: u8 = 0x61;
const CLASS_AND_MODE: u8 = 0xe7;

/// Where each field of the kernel side is on this host.
#[derive(Debug)]
pub struct Offsets(Vec<Result<i16, String>>);

impl Offsets {
    /// Looks every field up.
    #[must_use]
    pub fn find(btf: &Btf) -> Offsets {
        Offsets(PLACES.iter().map(|(_, place)| offset(btf, *place)).collect())
    }

    /// A field's offset in bytes.
    ///
    /// # Errors
    /// Why it is not known, in a few words.
    pub fn get(&self, field: &str) -> Result<i16, String> {
        PLACES
            .iter()
            .position(|(name, _)| *name == field)
            .and_then(|position| self.0.get(position).cloned())
            .unwrap_or_else(|| Err(format!("no field {field}")))
    }

    /// Writes offsets and constants over their marks. The mark of a field that this kernel lacks becomes 0; a program
    /// must not reach it, which the constants see to.
    ///
    /// # Errors
    /// When the object is no ELF file.
    pub fn patch(&self, object: &[u8], constants: &[(Constant, u32)]) -> Result<Vec<u8>, object::Error> {
        let mut patched = object.to_vec();
        for section in object::File::parse(object)?.sections() {
            if section.kind() != SectionKind::Text {
                continue;
            }
            let Some((start, size)) = section.file_range() else { continue };
            let range = start as usize..start as usize + size as usize;
            for instruction in patched.get_mut(range).unwrap_or_default().chunks_exact_mut(INSTRUCTION) {
                if instruction[0] == SET {
                    set(instruction, constants);
                } else if instruction[0] & CLASS_AND_MODE == LOAD {
                    self.load(instruction);
                }
            }
        }
        Ok(patched)
    }

    fn load(&self, instruction: &mut [u8]) {
        let displacement = i16::from_le_bytes([instruction[2], instruction[3]]);
        let above = i32::from(displacement) - i32::from(FIRST_MARK);
        if above < 0 || above % i32::from(STEP) != 0 {
            return;
        }
        if let Some(offset) = self.0.get(above as usize / STEP as usize) {
            instruction[2..4].copy_from_slice(&offset.as_ref().copied().unwrap_or(0).to_le_bytes());
        }
    }
}

fn set(instruction: &mut [u8], constants: &[(Constant, u32)]) {
    let immediate = i32::from_le_bytes([instruction[4], instruction[5], instruction[6], instruction[7]]);
    if let Some((_, value)) = constants.iter().find(|(constant, _)| constant.mark == immediate) {
        instruction[4..8].copy_from_slice(&value.to_le_bytes());
    }
}

fn offset(btf: &Btf, place: Place) -> Result<i16, String> {
    match place {
        Place::Member { path, size } => {
            let member = btf.member(path).ok_or_else(|| format!("this kernel has no {path}"))?;
            if member.size != size || member.bits != 0 || member.bit_offset % 8 != 0 {
                return Err(format!("{path} is {} bytes here, not {size}", member.size));
            }
            i16::try_from(member.bit_offset / 8).map_err(|_| format!("{path} is too far into its structure"))
        }
        Place::Argument { tracepoint, of, nth } => btf
            .argument(tracepoint, of, nth)
            .and_then(|position| i16::try_from(position * 8).ok())
            .ok_or_else(|| format!("{tracepoint} has no {} argument of type {of}", nth + 1)),
    }
}
