//! The kernel's type information: where a field is, and which argument of a tracepoint is which.

use std::{fs, io, path::Path};

/// Where the kernel keeps it.
pub const PATH: &str = "/sys/kernel/btf/vmlinux";

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error("{PATH}: {0}")]
    Read(#[from] io::Error),
    /// It is not what it should be.
    #[error("{PATH} is not valid: {0}")]
    Malformed(&'static str),
}

/// A field of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Offset from the structure's start, bits.
    pub bit_offset: u32,
    /// Size, bytes; 0 for what has none.
    pub size: u32,
    /// Bits, where it is a bit field; else 0.
    pub bits: u32,
}

mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// Type information, indexed by type id.
#[derive(Debug)]
pub struct Btf {
    data: Vec<u8>,
    strings: usize,
    /// Offset of each type's record; 0 for id 0, which is `void`.
    types: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    kind: u32,
    vlen: usize,
    flag: bool,
    /// Size, or the id of the type that it refers to.
    size_or_type: u32,
}

/// Structures are nested in the kernel less deep than this; a loop in bad data ends here.
const MAX_DEPTH: u32 = 32;

impl Btf {
    /// The running kernel's.
    ///
    /// # Errors
    /// When the file is missing or not valid.
    pub fn of_kernel() -> Result<Btf, BtfError> {
        Btf::parse(fs::read(Path::new(PATH))?)
    }

    /// From the bytes of a `.BTF` section.
    ///
    /// # Errors
    /// When they are not valid, or hold a kind of type that this parser does not know the length of.
    pub fn parse(data: Vec<u8>) -> Result<Btf, BtfError> {
        let word = |at| read_u32(&data, at).ok_or(BtfError::Malformed("too short"));
        if word(0)? & 0xffff != 0xeb9f {
            return Err(BtfError::Malformed("wrong magic number"));
        }
        let header = word(4)? as usize;
        let start = header + word(8)? as usize;
        let end = start + word(12)? as usize;
        let strings = header + word(16)? as usize;
        if end > data.len() || strings > data.len() {
            return Err(BtfError::Malformed("a section lies past its end"));
        }
        let mut types = vec![0];
        let mut at = start;
        while at < end {
            types.push(u32::try_from(at).map_err(|_| BtfError::Malformed("too long"))?);
            let info = word(at + 4)?;
            let vlen = (info & 0xffff) as usize;
            at += 12
                + match (info >> 24) & 0x1f {
                    kind::INT | kind::VAR | kind::DECL_TAG => 4,
                    kind::ARRAY => 12,
                    kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * vlen,
                    kind::ENUM | kind::FUNC_PROTO => 8 * vlen,
                    0..=kind::ENUM64 => 0,
                    _ => return Err(BtfError::Malformed("it holds a kind of type that is too new")),
                };
        }
        Ok(Btf { data, strings, types })
    }

    /// A field by its path, `structure.member.member`; anonymous members are looked through.
    #[must_use]
    pub fn member(&self, path: &str) -> Option<Member> {
        let mut names = path.split('.');
        let mut found = Member { bit_offset: 0, size: 0, bits: 0 };
        let mut within = self.find(kind::STRUCT, names.next()?)?;
        for name in names {
            let (member, id) = self.member_of(self.resolve(within)?, name, 0)?;
            found = Member { bit_offset: found.bit_offset + member.bit_offset, ..member };
            within = id;
        }
        (found.size != 0).then_some(found)
    }

    /// Position of a tracepoint's n-th argument of a type, by the name of the structure that it points to, or of the
    /// integer.
    #[must_use]
    pub fn argument(&self, tracepoint: &str, of: &str, nth: u32) -> Option<u32> {
        let typedef = self.get(self.find(kind::TYPEDEF, &format!("btf_trace_{tracepoint}"))?)?;
        let pointer = self.get(typedef.size_or_type)?;
        let prototype = self.get(pointer.size_or_type)?;
        if prototype.kind != kind::FUNC_PROTO {
            return None;
        }
        let mut seen = 0;
        // The first parameter is the tracepoint's own data.
        for parameter in 1..prototype.vlen {
            let id = read_u32(&self.data, prototype.at + 12 + parameter * 8 + 4)?;
            let mut ty = self.resolve(id)?;
            if ty.kind == kind::PTR {
                ty = self.resolve(ty.size_or_type)?;
            }
            // `bool` is a name for `_Bool` in some kernels, and the type itself in others.
            let is_named = |ty: Type| self.name(ty.name) == of.as_bytes();
            if is_named(ty) || self.get(id).is_some_and(is_named) {
                if seen == nth {
                    return u32::try_from(parameter - 1).ok();
                }
                seen += 1;
            }
        }
        None
    }

    fn find(&self, kind: u32, name: &str) -> Option<u32> {
        (1..self.types.len() as u32).find(|id| {
            self.get(*id).is_some_and(|ty| ty.kind == kind && self.name(ty.name) == name.as_bytes())
        })
    }

    /// A member of a structure, and its type.
    fn member_of(&self, within: Type, name: &str, depth: u32) -> Option<(Member, u32)> {
        if !matches!(within.kind, kind::STRUCT | kind::UNION) || depth > MAX_DEPTH {
            return None;
        }
        for index in 0..within.vlen {
            let at = within.at + 12 + index * 12;
            let own = read_u32(&self.data, at)?;
            let id = read_u32(&self.data, at + 4)?;
            let place = read_u32(&self.data, at + 8)?;
            let (bit_offset, bits) =
                if within.flag { (place & 0x00ff_ffff, place >> 24) } else { (place, 0) };
            if self.name(own) == name.as_bytes() {
                return Some((Member { bit_offset, size: self.size(id, 0), bits }, id));
            }
            if self.name(own).is_empty()
                && let Some((member, id)) = self.member_of(self.resolve(id)?, name, depth + 1)
            {
                return Some((Member { bit_offset: bit_offset + member.bit_offset, ..member }, id));
            }
        }
        None
    }

    fn size(&self, id: u32, depth: u32) -> u32 {
        let Some(ty) = self.resolve(id) else { return 0 };
        match ty.kind {
            kind::PTR => 8,
            kind::ARRAY if depth < MAX_DEPTH => {
                let element = read_u32(&self.data, ty.at + 12).map_or(0, |id| self.size(id, depth + 1));
                element.saturating_mul(read_u32(&self.data, ty.at + 20).unwrap_or(0))
            }
            kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 => ty.size_or_type,
            _ => 0,
        }
    }

    /// The type behind typedefs and qualifiers.
    fn resolve(&self, id: u32) -> Option<Type> {
        let mut ty = self.get(id)?;
        for _ in 0..MAX_DEPTH {
            match ty.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    ty = self.get(ty.size_or_type)?;
                }
                _ => return Some(ty),
            }
        }
        None
    }

    fn get(&self, id: u32) -> Option<Type> {
        let at = *self.types.get(id as usize).filter(|at| **at != 0)? as usize;
        let info = read_u32(&self.data, at + 4)?;
        Some(Type {
            at,
            name: read_u32(&self.data, at)?,
            kind: (info >> 24) & 0x1f,
            vlen: (info & 0xffff) as usize,
            flag: info >> 31 == 1,
            size_or_type: read_u32(&self.data, at + 8)?,
        })
    }

    fn name(&self, offset: u32) -> &[u8] {
        let rest = self.data.get(self.strings + offset as usize..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

fn read_u32(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn fields_and_arguments_of_this_kernel() {
        let btf = Btf::of_kernel().unwrap();
        let pid = btf.member("task_struct.pid").unwrap();
        let tgid = btf.member("task_struct.tgid").unwrap();
        assert_eq!((pid.size, tgid.size, tgid.bit_offset - pid.bit_offset), (4, 4, 32), "{pid:?} {tgid:?}");
        // Through two levels, the second of them a structure of its own.
        let inner = btf.member("sched_entity.sum_exec_runtime").unwrap().bit_offset;
        let outer = btf.member("task_struct.se").unwrap().bit_offset;
        assert_eq!(btf.member("task_struct.se.sum_exec_runtime").unwrap().bit_offset, outer + inner);
        // In an anonymous structure inside a structure.
        assert_eq!(btf.member("sock.__sk_common.skc_family").unwrap().bit_offset, 16 * 8);
        assert_eq!(btf.member("task_struct.no_such_field"), None);
        assert_eq!(btf.member("no_such_struct.pid"), None);

        assert_eq!(btf.argument("sched_switch", "bool", 0), Some(0));
        assert_eq!(btf.argument("sched_switch", "task_struct", 0), Some(1));
        assert_eq!(btf.argument("sched_switch", "task_struct", 1), Some(2));
        assert_eq!(btf.argument("sched_switch", "task_struct", 2), None);
        assert_eq!(btf.argument("no_such_tracepoint", "task_struct", 0), None);
    }

    #[test]
    fn bad_bytes_are_refused() {
        let good = fs::read(PATH).unwrap();
        for (what, bytes) in [
            ("empty", Vec::new()),
            ("magic", vec![0; 64]),
            ("cut off", good[..good.len() / 2].to_vec()),
            ("header only", good[..24].to_vec()),
        ] {
            assert!(Btf::parse(bytes).is_err(), "{what}");
        }
    }
}
